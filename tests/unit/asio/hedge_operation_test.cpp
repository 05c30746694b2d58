// SPDX-License-Identifier: MIT
#include <resilience/asio/hedge.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <future>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;

const HedgeOptions kAfter100ms{.delay = 100ms, .idempotent = true};

}  // namespace

TEST_CASE("hedge: any operation of a completion token is hedged") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    Timer slow{world.context.get_executor()};
    Timer quick{world.context.get_executor()};
    std::optional<Result<void>> result;
    async_with_hedge(
        world.context.get_executor(),
        hedge,
        [&](std::uint32_t attempt, auto token) {
            Timer& timer = attempt == 0 ? slow : quick;
            const TimePoint end = attempt == 0 ? TimePoint::max() : timer.now() + 5ms;
            return timer.async_wait_until(end, std::move(token));
        },
        [&](Result<void> r) { result = r; }
    );
    CHECK(!result);
    world.time.run();
    REQUIRE(result);
    CHECK(result->has_value());
    CHECK(world.elapsed() == 105ms);
    CHECK(world.time.waiting() == 0);
}

TEST_CASE("hedge: no attempt is made after the caller's cancellation") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{{.attempts = 3, .delay = 100ms, .idempotent = true}, budget};
    Timer first{world.context.get_executor()};
    net::cancellation_signal signal;
    std::optional<Result<void>> result;
    const auto begin = [&] {
        async_with_hedge(
            world.context.get_executor(),
            hedge,
            [&](std::uint32_t, auto token) {
                return first.async_wait_until(TimePoint::max(), std::move(token));
            },
            net::bind_cancellation_slot(
                signal.slot(), [&](Result<void> r) { result = r; }
            )
        );
    };
    begin();
    world.time.run_for(50ms);
    signal.emit(net::cancellation_type::total);
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::cancelled);
    CHECK(world.elapsed() == 50ms);
    CHECK(hedge.snapshot().hedges == 0);

    // A signal that is quicker than the first attempt.
    result.reset();
    net::post(world.context, [&] { signal.emit(net::cancellation_type::total); });
    begin();
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::cancelled);
    CHECK(hedge.snapshot().calls == 1);
}

TEST_CASE("hedge: an attempt that goes on after the cancellation is not hedged") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    Timer timer{world.context.get_executor()};
    net::cancellation_signal signal;
    std::optional<Result<void>> result;
    async_with_hedge(
        world.context.get_executor(),
        hedge,
        [&](std::uint32_t, auto token) {
            return async_wait_undeterred(timer, world.start + 300ms, std::move(token));
        },
        net::bind_cancellation_slot(signal.slot(), [&](Result<void> r) { result = r; })
    );
    world.time.run_for(50ms);
    signal.emit(net::cancellation_type::total);
    world.time.run();
    REQUIRE(result);
    CHECK(result->has_value());
    CHECK(world.elapsed() == 300ms);
    CHECK(hedge.snapshot().hedges == 0);
}

TEST_CASE("hedge: an attempt that cannot be begun fails") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_with_hedge(hedge, []() -> net::awaitable<int> {
            throw std::runtime_error{"no coroutine"};
        });
    });
    CHECK_THROWS_WITH(std::rethrow_exception(thrown), "no coroutine");
    std::optional<Result<void>> result;
    Timer timer{world.context.get_executor()};
    async_with_hedge(
        world.context.get_executor(),
        hedge,
        [&](std::uint32_t attempt, auto token) {
            if (attempt == 0) throw std::runtime_error{"boom"};
            return timer.async_wait_until(TimePoint::max(), std::move(token));
        },
        [&](Result<void> r) { result = r; }
    );
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::internal);
}

TEST_CASE("hedge: coroutines on a pool of threads need no strand of their own") {
    net::thread_pool pool{2};
    RetryBudget budget{{.ratio = 1}};
    Hedge hedge{
        {.attempts = 3, .delay = 1ms, .quantile = 0.9, .idempotent = true}, budget};
    std::vector<std::future<int>> ends;
    for (int i = 0; i < 50; ++i) {
        ends.push_back(net::co_spawn(
            pool,
            [&hedge]() -> net::awaitable<int> {
                Result<int> r = co_await co_with_hedge(
                    hedge,
                    [](std::uint32_t attempt) -> net::awaitable<Result<int>> {
                        Timer timer{co_await net::this_coro::executor};
                        const auto span = attempt == 0 ? 5ms : 1ms;
                        Result<void> waited =
                            co_await timer.async_wait_until(timer.now() + span);
                        if (!waited) co_return waited.error();
                        co_return 1;
                    }
                );
                co_return r ? *r : -1;
            },
            net::use_future
        ));
    }
    for (auto& end : ends) CHECK(end.get() == 1);
    CHECK(hedge.snapshot().calls == 50);
}

TEST_CASE("hedge: on a strand, quick calls allocate nothing once the first ones are made"
) {
    net::io_context context;
    RetryBudget budget;
    Hedge hedge{{.delay = 1h, .idempotent = true}, budget};
    std::uint64_t made = 1;
    const auto work = []() -> net::awaitable<Result<int>> { co_return 1; };
    net::co_spawn(
        net::make_strand(context),
        [&]() -> net::awaitable<void> {
            for (int round = 0; round < 2; ++round) {
                testing::AllocationCounter counter;
                for (int i = 0; i < 10; ++i) {
                    (void)co_await co_with_hedge(hedge, work);
                }
                made = counter.made();
            }
        },
        net::detached
    );
    context.run();
    CHECK(made == 0);
}

TEST_CASE("hedge: the caller cancels where it lives while the end comes elsewhere") {
    net::io_context here;
    // An operation lets go of its caller's context a little after it called the handler.
    const auto busy = net::make_work_guard(here);
    net::thread_pool there{1};
    RetryBudget budget;
    Hedge hedge{kAfter100ms, budget};
    for (int i = 0; i < 200; ++i) {
        net::cancellation_signal signal;
        Timer timer{there.get_executor()};
        bool over = false;
        async_with_hedge(
            there.get_executor(),
            hedge,
            [&](std::uint32_t, auto token) {
                const std::chrono::microseconds span{20 + i % 40};
                return timer.async_wait_until(timer.now() + span, std::move(token));
            },
            net::bind_cancellation_slot(
                signal.slot(),
                net::bind_executor(
                    here.get_executor(), [&](Result<void>) { over = true; }
                )
            )
        );
        while (!over) {
            signal.emit(net::cancellation_type::partial);
            here.poll_one();
        }
        signal.emit(net::cancellation_type::terminal);
    }
    there.join();
}
