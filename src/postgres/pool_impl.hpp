// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_POOL_IMPL_HPP
#define RESILIENCE_SRC_POSTGRES_POOL_IMPL_HPP

#include "session.hpp"

#include <resilience/clock.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <random>

namespace resilience::postgres {

/// Runs on `strand`, except for what says otherwise.
struct Pool::Impl : std::enable_shared_from_this<Pool::Impl> {
    Impl(net::any_io_executor executor, PoolOptions chosen);

    struct Waiter {
        net::steady_timer timer;
        std::optional<Result<PooledConnection>> answer;
    };
    struct Idle {
        std::shared_ptr<Session> session;
        TimePoint since;
    };

    net::awaitable<Result<PooledConnection>> acquire();
    net::awaitable<void> open_one();
    net::awaitable<void> clean_up(std::shared_ptr<Session> session);

    /// From any thread: a borrower is done with `session`.
    void give_back(std::shared_ptr<Session> session) noexcept;
    void start();
    void close();

    void take_back(std::shared_ptr<Session> session);
    void keep(std::shared_ptr<Session> session);
    void drop();
    std::shared_ptr<Session> take_idle();
    bool dial();
    void dial_for_waiters();
    void answer_first(Result<PooledConnection> answer);
    void refuse_all(const Failure& failure);
    void maintain();
    void publish();

    bool may_dial() const;
    std::size_t in_use() const { return size - opening - idle.size(); }
    bool down() const { return failures > 0; }

    const net::any_io_executor outer;
    const net::any_io_executor strand;
    const PoolOptions options;
    const RetryPolicy policy;
    std::mt19937_64 random;

    std::deque<Idle> idle;  // the longest unused first
    std::deque<std::shared_ptr<Waiter>> waiting;
    std::size_t size = 0;     // open, or being opened
    std::size_t opening = 0;  // of these
    std::uint32_t failures = 0;
    Failure last_failure;
    TimePoint retry_at{};
    net::steady_timer upkeep;
    bool closed = false;

    mutable std::mutex stats_mutex;
    PoolStats stats;
};

}  // namespace resilience::postgres

#endif
