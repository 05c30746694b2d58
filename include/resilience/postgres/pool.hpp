// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_POOL_HPP
#define RESILIENCE_POSTGRES_POOL_HPP

#include <resilience/postgres/connection.hpp>
#include <resilience/postgres/transaction.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace resilience::postgres {

/// Settings of a @ref Pool.
struct PoolOptions {
    /// Of each connection.
    ConnectionOptions connection{};

    /// Connections kept open although nobody uses them. At most @ref max_size; default 0.
    std::size_t min_size = 0;

    /// Most connections open at once. At least 1; default 8.
    std::size_t max_size = 8;

    /// Most callers that wait for a connection. Default 256.
    std::size_t max_waiting = 256;

    /// Longest wait for a connection. Positive; default 1 s.
    std::chrono::milliseconds acquire_timeout{1000};

    /// Unused for this long, a connection above @ref min_size is closed. At least 1 s;
    /// default 5 min.
    std::chrono::milliseconds idle_lifetime{300000};

    /// Waits between attempts to reach a server that is down. `attempts` is not used: a
    /// pool never gives up.
    RetryOptions reconnect{
        .base = std::chrono::milliseconds{100},
        .cap = std::chrono::seconds{5},
        .jitter = Jitter::equal};

    /// Seed of the jitter; 0 takes one from the system.
    std::uint64_t seed = 0;
};

/// The state of a @ref Pool at one moment; counters ascend for ever.
struct PoolStats {
    /// Connections that are open or being opened.
    std::size_t size = 0;
    /// Of these, unused.
    std::size_t idle = 0;
    /// Callers that wait.
    std::size_t waiting = 0;
    std::uint64_t connects = 0;
    std::uint64_t connect_failures = 0;
    /// Callers that got none in time, or found the queue full.
    std::uint64_t refused = 0;
    /// True from a failed attempt to connect until one succeeds; @ref reason says why.
    bool down = false;
    std::string reason;
};

class PooledConnection;

/** Lends connections to many callers.

    Callers are served in the order of their coming. While the server is known to be down
    one attempt is made at a time, with growing waits, and callers are refused at once. A
    connection that comes back broken is closed; one that comes back inside a transaction
    is rolled back first.

    @par Thread safety
    Safe.

    @par Object lifetimes
    Connections may outlive the pool. Destroying the pool closes it.
*/
class Pool {
public:
    using executor_type = net::any_io_executor;

    /// Connects on first use, or at once up to @ref PoolOptions::min_size.
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit Pool(executor_type executor, PoolOptions options = {});
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool();

    executor_type get_executor() const;

    /** Borrows a connection.

        @par Errors
        @li Errc::unavailable The server is down.
        @li Errc::access_denied, Errc::bad_destination It refuses this user or database.
        @li Errc::timed_out All connections stayed in use.
        @li Errc::queue_full Too many callers wait already.
        @li Errc::closed, Errc::cancelled

        @par Cancellation
        `terminal`, `partial` and `total`; nothing is borrowed.
    */
    template <class Token = net::deferred_t>
    auto async_acquire(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<PooledConnection>)>(
            [impl = impl_](auto handler) {
                acquire(impl, Handler<PooledConnection>(std::move(handler)));
            },
            token
        );
    }

    /// Closes what is unused now and the rest when it comes back; who waits fails.
    void close();

    PoolStats stats() const;

private:
    friend class PooledConnection;
    struct Impl;
    static void acquire(const std::shared_ptr<Impl>&, Handler<PooledConnection>);

    std::shared_ptr<Impl> impl_;
};

/// A connection on loan; goes back to its @ref Pool when destroyed.
class PooledConnection {
public:
    PooledConnection(PooledConnection&&) noexcept = default;
    PooledConnection& operator=(PooledConnection&& other) noexcept;
    ~PooledConnection();

    Connection& operator*() noexcept { return connection_; }
    Connection* operator->() noexcept { return &connection_; }

private:
    friend class Pool;
    PooledConnection(std::shared_ptr<Pool::Impl> pool, Connection connection) noexcept;
    void give_back() noexcept;

    std::shared_ptr<Pool::Impl> pool_;
    Connection connection_;
};

/** Borrows a connection, begins a transaction, runs `work` and commits if it succeeded.

    @param work Takes `Transaction&`, returns `net::awaitable<Result<T>>`.
    @return What `work` returned, or the failure of any step.
*/
template <class Work>
std::invoke_result_t<Work&, Transaction&> with_transaction(
    Pool& pool, Work work, TransactionOptions options = {}
) {
    auto connection = co_await pool.async_acquire();
    if (!connection) co_return connection.error();
    auto transaction = co_await Transaction::async_begin(**connection, options);
    if (!transaction) co_return transaction.error();
    auto result = co_await work(*transaction);
    if (!result) {
        (void)co_await transaction->async_rollback();
        co_return result;
    }
    auto committed = co_await transaction->async_commit();
    if (!committed) co_return committed.error();
    co_return result;
}

}  // namespace resilience::postgres

#endif
