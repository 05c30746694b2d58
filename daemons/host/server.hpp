// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_SERVER_HPP
#define RESILIENCE_HOST_SERVER_HPP

#include "host/address.hpp"
#include "host/log.hpp"
#include "host/router.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::host {

/// The limits of an HTTP server.
struct ServerOptions {
    /// Where to listen; port 0 lets the system choose. Default 0.0.0.0:8080.
    Address address{"0.0.0.0", 8080};
    /// Sent as `Server`.
    std::string server_name = "resilience";
    /// Most bytes of a body; more is a 413. Default 1 MiB.
    std::size_t body_limit = 1024 * 1024;
    /// Most bytes of bodies that all connections hold together; more is a 503. At least
    /// @ref body_limit; default 64 MiB.
    std::int64_t body_budget = 64 * 1024 * 1024;
    /// Most bytes of request line and header; more is a 431. Default 16 KiB.
    std::size_t header_limit = 16 * 1024;
    /// Most connections; more wait in the system's queue. Default 10,000.
    std::int64_t max_connections = 10'000;
    /// Longest time from the first byte to the end of the header; then 408. A new
    /// connection on which nothing comes for so long is closed. Default 10 s.
    std::chrono::milliseconds header_timeout{10'000};
    /// Longest time for the body; then 408. Default 10 s.
    std::chrono::milliseconds body_timeout{10'000};
    /// Longest rest between two requests; then the connection is closed. Default 60 s.
    std::chrono::milliseconds idle_timeout{60'000};
    /// Longest time a client may take to accept an answer. Default 10 s.
    std::chrono::milliseconds write_timeout{10'000};
    /// Longest time of a handler; then it is cancelled and the answer is 503. Default 10
    /// s.
    std::chrono::milliseconds handler_timeout{10'000};
    /// Time a cancelled handler gets to answer by itself before the 503 is sent over its
    /// head and the connection closed. Default 500 ms.
    std::chrono::milliseconds handler_grace{500};
    /// Whether connections run on strands of their own; needed with several threads.
    bool strands = false;
};

/** An HTTP/1.1 server over a router.

    Keep-alive; pipelined requests are answered one after the other; chunked bodies;
    `Expect: 100-continue`. What a client sends can end its connection and nothing else.

    @par Thread safety
    Unsafe; call from the executor, or before it runs.

    @par Object lifetimes
    Router, log and metrics must outlive the executor's last handler.
*/
class Server {
public:
    Server(
        net::any_io_executor executor,
        ServerOptions options,
        const Router& router,
        Log& log,
        prometheus::Metrics& metrics
    );
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /** Binds and listens.

        @throws std::invalid_argument The host is unknown or none of this machine, or the
            port needs rights; the text names the address.
        @throws std::system_error The address cannot be had for another reason, such as
            its being taken; the text names it.
    */
    void listen();

    /// The port listened on, from @ref listen on. Safe from any thread.
    std::uint16_t port() const noexcept;

    /// Accepts connections until @ref async_drain.
    void start();

    /// Stops accepting, closes resting connections, and waits for requests in flight.
    /// Returns false when `bound` passed first and the rest was cut.
    net::awaitable<bool> drain(std::chrono::milliseconds bound);

    /// How many connections are open. Safe from any thread.
    std::size_t connections() const noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience::host

#endif
