// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_REDIS_SESSION_HPP
#define RESILIENCE_SRC_REDIS_SESSION_HPP

#include "wire.hpp"

#include <resilience/asio/result.hpp>
#include <resilience/redis/connection_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace resilience::redis::detail {

/// Makes the TLS settings. @throws std::invalid_argument The file cannot be read.
std::shared_ptr<net::ssl::context> make_tls_context(const TlsOptions& options);

/** One transport connection, from its first packet to its last: TCP, TLS or Unix socket.

    @par Thread safety
    Unsafe; used in the strand of its executor.
*/
class Session : public std::enable_shared_from_this<Session> {
public:
    Session(
        net::any_io_executor strand,
        const ConnectionOptions& options,
        std::shared_ptr<net::ssl::context> tls
    );

    /// Connects, speaks TLS, and greets: AUTH, CLIENT SETNAME, SELECT, then `preloads`,
    /// whose errors are ignored.
    net::awaitable<Result<void>> open(std::span<const std::vector<std::string>> preloads);

    /// Waits for bytes and hands them to the reader; the failure if the connection ended.
    net::awaitable<std::optional<Failure>> receive();

    /// Replies that were received.
    ReplyReader& replies() noexcept { return reader_; }

    /// Bytes to write next; belongs to the write while there is one.
    std::string& outgoing() noexcept { return outgoing_; }
    bool writing() const noexcept { return writing_; }

    /// Writes what is outgoing, then clears it and calls `done(error)`.
    template <class Done>
    void write(Done done);

    /// Ends the connection; what is in progress fails for `reason`. The first reason
    /// stays.
    void abort(Failure reason);

private:
    net::awaitable<Result<void>> connect();
    net::awaitable<Result<void>> connect_tcp();
    net::awaitable<Result<void>> encrypt();
    net::awaitable<Result<void>> greet(std::span<const std::vector<std::string>> preloads
    );
    net::awaitable<Result<void>> send_greeting(
        std::span<const std::vector<std::string>> commands
    );
    net::awaitable<Result<Reply>> next_reply();

    // What failed, unless `abort` knows better.
    Failure ended(const char* doing, const boost::system::error_code& ec) const;

    using Socket = net::generic::stream_protocol::socket;

    const ConnectionOptions& options_;
    std::shared_ptr<net::ssl::context> tls_;
    Socket socket_;
    net::ip::tcp::resolver resolver_;
    net::steady_timer timer_;
    std::optional<net::ssl::stream<Socket&>> encrypted_;
    ReplyReader reader_;
    std::array<char, 16 * 1024> incoming_;
    std::string outgoing_;
    bool writing_ = false;
    bool opening_ = false;
    std::optional<Failure> reason_;
};

template <class Done>
void Session::write(Done done) {
    writing_ = true;
    auto finished = [self = shared_from_this(),
                     done = std::move(done)](boost::system::error_code ec, std::size_t) {
        self->writing_ = false;
        self->outgoing_.clear();
        done(ec);
    };
    if (encrypted_) {
        net::async_write(*encrypted_, net::buffer(outgoing_), std::move(finished));
    } else {
        net::async_write(socket_, net::buffer(outgoing_), std::move(finished));
    }
}

}  // namespace resilience::redis::detail

#endif
