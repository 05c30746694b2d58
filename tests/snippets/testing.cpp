// SPDX-License-Identifier: MIT
#include <resilience/asio/timeout.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/manual_clock.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/seeded_random.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <resilience/timeout.hpp>
#include <resilience/token_bucket.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

//[count
RESILIENCE_COUNT_ALLOCATIONS;
//]

namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using namespace resilience;

//[subject
// The code under test: looks every minute, for an hour, whether the job is done.
net::awaitable<bool> wait_for_job(std::function<net::awaitable<Result<bool>>()> is_done) {
    Timer timer{co_await net::this_coro::executor};
    const TimePoint end = timer.now() + 1h;
    while (timer.now() < end) {
        const Result<bool> done = co_await is_done();
        if (done && *done) co_return true;
        const Result<void> waited = co_await timer.async_wait_until(timer.now() + 1min);
        if (!waited) co_return false;
    }
    co_return false;
}
//]

}  // namespace

TEST_CASE("docs/testing.md: time") {
    //[manual
    testing::ManualClock clock;
    TokenBucket bucket{{.tokens = 1, .period = 1min, .burst = 1}};
    CHECK(bucket.try_acquire(1, clock.now()));
    CHECK(!bucket.try_acquire(1, clock.now()));
    clock.advance(1min);
    CHECK(bucket.try_acquire(1, clock.now()));
    //]

    //[source
    TimedCircuitBreaker<testing::ManualClock&> breaker{{.open_for = 10s}, {}, clock};
    Bulkhead<NoObserver, testing::ManualClock&> bulkhead{{.limit = 8}, {}, clock};
    //]
    CHECK(breaker.try_acquire(clock.now()));
    CHECK(bulkhead.try_acquire());

    //[virtual
    net::io_context context;
    testing::VirtualTime time{context};
    testing::ScriptedOperation<bool> job;
    job.succeed_after(5ms, false)
        .fail_after(5ms, fail(Errc::unavailable))
        .succeed_after(5ms, true);

    bool found = false;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            found = co_await wait_for_job([&] { return job(); });
        },
        net::detached
    );
    const TimePoint start = time.now();
    time.run();
    CHECK(found);
    CHECK(job.calls() == 3);
    CHECK(time.now() - start == 2min + 15ms);
    //]
}

TEST_CASE("docs/testing.md: cancellation") {
    //[everywhere
    testing::ScriptedOperation<bool> job;
    job.succeed_after(5ms, false);
    const auto report = testing::cancel_everywhere(
        [&](testing::VirtualTime&) -> net::awaitable<void> {
            co_await wait_for_job([&] { return job(); });
        },
        [&](const testing::CancelledRun&) { CHECK(job.in_flight() == 0); }
    );
    CHECK(report.points > 100);     // the scenario was struck at so many points
    CHECK(report.unfinished == 0);  // and came to an end after each cancellation
    //]
}

TEST_CASE("docs/testing.md: allocation and chance") {
    TokenBucket bucket;
    //[allocations
    testing::AllocationCounter counter;
    bucket.try_acquire();
    CHECK(counter.made() == 0);
    //]

    //[bad_alloc
    std::vector<std::shared_ptr<int>> kept;
    testing::fail_each_allocation(
        [&] { kept.push_back(std::make_shared<int>(1)); },
        [&] {
            for (const auto& pointer : kept) CHECK(pointer != nullptr);
        }
    );
    //]

    //[random
    testing::SeededRandom random;  // RESILIENCE_TEST_SEED=7 repeats the run of seed 7
    CAPTURE(random.seed());
    const std::uint64_t die = random.below(6) + 1;
    //]
    CHECK(die <= 6);
}
