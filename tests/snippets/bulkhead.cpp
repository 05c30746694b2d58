// SPDX-License-Identifier: MIT
#include <resilience/asio/bulkhead.hpp>
#include <resilience/bulkhead.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>

namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using namespace resilience;

int query() { return 42; }

net::awaitable<Result<int>> async_query() { co_return 42; }

//[refuse
std::optional<int> ask_at_most_eight_times_at_once(Bulkhead<>& bulkhead) {
    auto slot = bulkhead.try_acquire();
    if (!slot) return std::nullopt;  // slot.error() is Errc::bulkhead_full
    return query();                  // whatever happens, the slot comes back
}
//]

//[block
std::optional<int> ask_after_a_wait(Bulkhead<>& bulkhead, std::stop_token stop) {
    auto slot = bulkhead.acquire(Clock::now() + 20ms, stop);
    if (slot.error() == Errc::shed) return std::nullopt;       // the queue is overloaded
    if (slot.error() == Errc::cancelled) return std::nullopt;  // a stop was requested
    if (!slot) return std::nullopt;                            // it took too long
    return query();
}
//]

//[await
net::awaitable<Result<int>> ask(Bulkhead<>& bulkhead, TimePoint deadline) {
    auto slot = co_await async_acquire(bulkhead, deadline, net::use_awaitable);
    if (!slot) co_return slot.error();
    co_return co_await async_query();
}
//]

//[observe
struct WaitingTimes {
    void on(const BulkheadWaited& wait) noexcept {
        if (!wait.error) longest = std::max(longest.load(), wait.waited);
    }
    void on(const BulkheadRefused&) noexcept { ++refused; }

    std::atomic<std::chrono::nanoseconds> longest{};
    std::atomic<int> refused{0};
};
//]

}  // namespace

TEST_CASE("docs/bulkhead.md: refuse, block, await") {
    //[make
    Bulkhead bulkhead{{.limit = 8, .queue = 32, .max_wait = 50ms}};
    //]
    CHECK(ask_at_most_eight_times_at_once(bulkhead) == 42);
    CHECK(ask_after_a_wait(bulkhead, {}) == 42);
    net::io_context context;
    auto answer =
        net::co_spawn(context, ask(bulkhead, Clock::now() + 1h), net::use_future);
    context.run();
    CHECK(answer.get().value() == 42);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("docs/bulkhead.md: shed under overload") {
    //[shed
    Bulkhead bulkhead{
        {.limit = 8,
         .queue = 200,
         .max_wait = 1s,
         .discipline = QueueDiscipline::codel,
         .target = 5ms,
         .interval = 100ms}};
    //]
    CHECK(bulkhead.try_acquire());
}

TEST_CASE("docs/bulkhead.md: observe and reconfigure") {
    //[reconfigure
    WaitingTimes times;
    Bulkhead<WaitingTimes&> bulkhead{{.limit = 1, .queue = 0}, times};
    auto slot = bulkhead.try_acquire();
    CHECK_FALSE(bulkhead.try_acquire());
    CHECK(times.refused == 1);

    bulkhead.reconfigure(2);
    CHECK(bulkhead.try_acquire());
    CHECK(bulkhead.snapshot().in_use == 1);
    //]
}
