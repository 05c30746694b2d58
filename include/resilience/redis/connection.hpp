// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_REDIS_CONNECTION_HPP
#define RESILIENCE_REDIS_CONNECTION_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/redis/connection_options.hpp>
#include <resilience/redis/reply.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace resilience::redis {

namespace detail {
class Multiplexer;
}

/// What a @ref Connection has done so far.
struct ConnectionSnapshot {
    /// Whether the server has greeted and the connection is not known to be broken.
    bool connected = false;
    /// Requests that are queued or unanswered.
    std::size_t in_flight = 0;
    /// Times that a connection was made, and that one was lost.
    std::uint64_t connects = 0;
    std::uint64_t losses = 0;
    /// Requests whose deadline passed, and those refused because the queue was full.
    std::uint64_t timeouts = 0;
    std::uint64_t refused = 0;
};

/** One connection to a Redis server that any number of callers share.

    It connects on first use and stays connected: a lost connection is made anew, with
    back-off. Requests are written together and answered in order, so the number of
   callers and not the number of connections sets the depth of the pipeline. Redis Cluster
   is not supported: a redirection is reported as `bad_destination`.

    @par Thread safety
    Safe, shared objects included.

    @par Object lifetimes
    Must not outlive the execution context of its executor. Destroying it closes it;
    operations that are in flight complete nevertheless.
*/
class Connection {
public:
    using executor_type = net::any_io_executor;

    /** Makes a connection that connects on first use.

        @throws std::invalid_argument Names the option that is out of range.
    */
    explicit Connection(executor_type executor, ConnectionOptions options = {});
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    executor_type get_executor() const;

    /** Sends one command and yields the server's answer. Never sends it twice.

        The connection is shared, so commands that change its state or its protocol are
        refused with `invalid_request`: SELECT, AUTH, HELLO, MULTI, SUBSCRIBE, MONITOR,
        CLIENT REPLY and their like. A command that blocks (BLPOP) delays everybody.

        @param args The command's name and arguments; any byte may occur.
        @return The answer. Error replies are answers, except those that concern the
       server or the user and not the command: they become a failure, as below.

        @par Errors
        @li `unavailable` Not connected and not to be reached now, or the server is
       loading or busy. Nothing has happened.
        @li `access_denied` The server refused the password or the permission.
        @li `storage_full` The server is read-only, or its memory or disk is full.
        @li `bad_destination` The server belongs to a cluster and points elsewhere.
        @li `timed_out` The deadline passed before the command was written.
        @li `timed_out_in_doubt`, `connection_lost` The command was sent and not answered;
        its effect may have happened.
        @li `protocol_error` The peer does not speak the protocol, or a reply broke a
       limit; the effect may have happened.
        @li `queue_full`, `too_large`, `invalid_request`, `closed` Nothing was sent.
        @li `cancelled`, `cancelled_in_doubt` The caller gave up before, after it was
       sent.

        @par Cancellation
        `terminal` and `partial` at any time, `total` until the command is sent. A late
        answer is dropped.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_command(std::vector<std::string> args, CompletionToken&& token = {}) {
        return net::async_initiate<CompletionToken, void(Result<Reply>)>(
            Initiate{core_}, token, std::move(args)
        );
    }

    /// Closes the connection; what waits completes with `closed`, what was sent with
    /// `connection_lost`. Later requests complete with `closed`.
    void close();

    ConnectionSnapshot snapshot() const;

private:
    friend class TokenBucketStore;

    struct Initiate {
        std::shared_ptr<detail::Multiplexer> core;
        void operator()(Handler<Reply> handler, std::vector<std::string> args) const;
    };

    std::shared_ptr<detail::Multiplexer> core_;
};

}  // namespace resilience::redis

#endif
