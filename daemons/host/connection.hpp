// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_CONNECTION_HPP
#define RESILIENCE_HOST_CONNECTION_HPP

#include "host/body_budget.hpp"
#include "host/request.hpp"
#include "host/request_parser.hpp"
#include "host/response_writer.hpp"
#include "host/server_state.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace resilience::host {

/** One client: reads a request, answers it, and starts again.

    One timer watches over whatever is going on. It is not set anew for each step: it
    fires once in the shortest timeout and looks whether the deadline of the step at hand
    has passed, so a busy connection pays nothing for it.

    @par Thread safety
    Everything runs on the socket's executor.
*/
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(
        std::shared_ptr<ServerState> server,
        net::ip::tcp::socket socket,
        std::uint64_t seed
    );

    /// Serves the client to its end. Throws only what the program itself gets wrong.
    net::awaitable<void> run();

    net::any_io_executor get_executor() { return socket_.get_executor(); }
    net::cancellation_slot slot() { return cancel_.slot(); }

    /// Ends the connection now if it rests, else after the answer under way.
    void drain();

    /// Cuts the connection.
    void close();

private:
    enum class Step : std::uint8_t {
        resting,    // no byte of a request has been read
        header,     // a header is coming
        body,       // a body is coming
        handling,   // the handler works
        cancelled,  // its time is up and it was told so
        abandoned,  // it did not listen; the 503 goes out without it
        writing,    // the answer is going out
        lingering,  // what still comes is thrown away, so that the answer gets through
        closed
    };
    enum class Read : std::uint8_t { complete, refused, ended };

    net::awaitable<Read> read_request();
    net::awaitable<bool> read_more();
    net::awaitable<bool> write_out();
    net::awaitable<void> linger();

    // Feeds the parser with what has been read. True: it wants more.
    bool parse(bool header_only);
    // Takes what a request line tells that was not read to its end, for the log.
    void guess_request_line();
    // Looks at what only a complete header tells; null when all is well.
    const char* check_header();
    // Gives the request its ids.
    void identify();
    net::awaitable<Response> handle();
    void render(const Response& response);
    void report(const Response& response);

    void refuse(unsigned status, std::string slug, std::string title, std::string detail);
    void enter(Step step, std::chrono::milliseconds limit);
    void watch();
    void on_deadline();
    void abandon();
    std::uint64_t random() noexcept;

    std::shared_ptr<ServerState> server_;
    net::ip::tcp::socket socket_;
    net::steady_timer watchdog_;
    net::cancellation_signal cancel_;
    std::chrono::milliseconds tick_;
    // How long the connection may rest; for less before its first request.
    std::chrono::milliseconds rest_;
    TimePoint deadline_ = TimePoint::max();
    Step step_ = Step::resting;
    bool timed_out_ = false;
    bool keep_alive_ = true;

    boost::beast::flat_buffer buffer_;
    std::optional<RequestParser> parser_;
    std::string target_;
    Request request_;
    BodyBudget::Share body_share_;
    const Route* route_ = nullptr;
    TimePoint start_;
    // The answer to a request that never reached a handler.
    Response refusal_;
    std::string out_;
    HttpDate date_;
    std::uint64_t random_state_;
};

}  // namespace resilience::host

#endif
