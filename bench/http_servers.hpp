// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_HTTP_SERVERS_HPP
#define RESILIENCE_BENCH_HTTP_SERVERS_HPP

#include <host/log.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

namespace resilience::bench {

namespace net = boost::asio;

/// A server on a loopback port of its own, served by one thread of its own.
class ServerThread {
public:
    virtual ~ServerThread() = default;

    std::uint16_t port() const { return port_; }

    /// Processor time of the thread so far.
    std::chrono::duration<double> cpu_time() const;

protected:
    net::io_context& io() { return io_; }
    void start(std::uint16_t port);
    /// Each class calls it first when it is destroyed: what the thread uses goes then.
    void stop();

private:
    // One thread runs it, as that of a program with one thread.
    net::io_context io_{1};
    std::uint16_t port_ = 0;
    std::thread thread_;
};

/** Makes the peer to compare with: Beast's reader and writer in a coroutine, and no more.

    @param answer_size Bytes of each answer, header included.
*/
std::unique_ptr<ServerThread> make_echo_server(std::size_t answer_size);

/** Makes the HTTP server of the programs with the routes of buckets, kept in the process.

    @param level Of the log, which goes to `/dev/null`; `info` writes a line per request.
*/
std::unique_ptr<ServerThread> make_bucket_server(host::LogLevel level);

}  // namespace resilience::bench

#endif
