// SPDX-License-Identifier: MIT
// Each allocation of an asynchronous call fails once: whoever lent something has it back.
#include <resilience/asio/limiter.hpp>
#include <resilience/asio/worker_pool.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <unit/asio/cancel_policies.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "unit/core/worker_pool_world.hpp"

RESILIENCE_COUNT_ALLOCATIONS;

using namespace resilience;
using namespace std::chrono_literals;
using Policies = CancelPolicies;

namespace {

/// Runs what `begin(world, policies)` starts, with policies of its own each time, and
/// lets its allocation number 0, 1, 2, ... fail, until none does.
/// @return How often something was allocated.
template <class Begin>
std::uint64_t fail_each_allocation(Begin begin) {
    std::optional<World> world;
    std::optional<Policies> policies;
    const auto renew = [&] {
        world.emplace();
        policies.emplace(world->start);
    };
    renew();
    std::uint64_t n = 0;
    const auto work = [&] {
        begin(*world, *policies);
        world->time.run();
    };
    const auto check = [&] {
        CAPTURE(n++);
        INFO("what a handler left undone that threw");
        CHECK(world->time.run());
        CHECK(world->time.waiting() == 0);
        policies->check(world->start);
        renew();
    };
    return testing::fail_each_allocation(work, check);
}

/// Begins a call under `pipeline`, which outlives it.
template <class Pipeline>
auto call_under(Pipeline& pipeline, Policies& p) -> net::awaitable<void> {
    Result<int> result =
        co_await co_run(pipeline, [&p](CallContext&) { return p.operation(); });
    if (!result) co_return;
    CHECK(result.value() > 0);
}

/// Lets each allocation fail in what `make(policies)` makes, as a coroutine and by token.
/// The token has an executor: for one that has none an executor is erased once more, and
/// Asio ends the program when it cannot allocate a work guard of that.
template <class Make>
void fail_in_pipeline(Make make) {
    using Made = decltype(make(std::declval<Policies&>()));
    std::optional<Made> pipeline;
    int ended = 0;
    const auto in_coroutine = [&](World& world, Policies& p) {
        pipeline.emplace(make(p));
        net::co_spawn(world.context, hold_slot_for(p.bulkhead, 500ms), net::detached);
        net::co_spawn(
            world.context,
            call_under(*pipeline, p),
            [&](const std::exception_ptr&) { ++ended; }
        );
    };
    CHECK(fail_each_allocation(in_coroutine) > 5);
    CHECK(ended > 0);
    ended = 0;
    const auto by_token = [&](World& world, Policies& p) {
        pipeline.emplace(make(p));
        async_run(
            world.context.get_executor(),
            *pipeline,
            [&p](CallContext&) { return p.operation(); },
            net::bind_executor(
                world.context.get_executor(), [&](const Result<int>&) { ++ended; }
            )
        );
    };
    CHECK(fail_each_allocation(by_token) > 5);
    CHECK(ended > 0);
}

}  // namespace

TEST_CASE("whatever allocation fails in a pipeline, guards have back what they lent") {
    fail_in_pipeline([](Policies& p) {
        return Pipeline{
            p.fallback,
            Deadline{20s},
            p.three_attempts(),
            p.bucket,
            p.throttle,
            p.breaker,
            p.limit,
            p.chaos};
    });
}

TEST_CASE("whatever allocation fails in a pipeline that waits, its slot is free again") {
    fail_in_pipeline([](Policies& p) {
        return Pipeline{
            NoDeadline{},
            p.three_attempts(),
            p.hedge,
            p.bulkhead,
            Policies::attempt_timeout()};
    });
}

TEST_CASE("an erased handler whose executor cannot be copied is not called elsewhere") {
    World world;
    int called = 0;
    const auto work = [&] {
        // An executor that has no room in an erased one.
        const net::any_io_executor executor = world.context.get_executor();
        Handler<int> handler = net::bind_executor(executor, [&](const Result<int>& r) {
            CHECK(r.value() == 1);
            ++called;
        });
        detail::complete<Result<int>>(executor, std::move(handler), 1);
        world.time.run();
    };
    const std::uint64_t failed =
        testing::fail_each_allocation(work, [&] { CHECK(world.time.run()); });
    CHECK(failed > 1);
    CHECK(called > 0);
}

TEST_CASE("whatever allocation fails in a wait for a slot, the queue is empty again") {
    int granted = 0;
    std::optional<net::cancellation_signal> signal;
    const auto begin = [&](World& world, Policies& p) {
        net::co_spawn(world.context, hold_slot_for(p.bulkhead, 500ms), net::detached);
        world.time.run_for(1ms);
        for (int i = 0; i < 2; ++i) {
            async_acquire(
                p.bulkhead,
                TimePoint::max(),
                net::bind_cancellation_slot(
                    i == 0 ? signal.emplace().slot() : net::cancellation_slot{},
                    net::bind_executor(
                        world.context.get_executor(),
                        [&](Result<Bulkhead<>::Slot> slot) {
                            if (slot) ++granted;
                        }
                    )
                )
            );
        }
        // Whoever holds the slot did not come so far, or gives it back now.
        world.time.run_for(1s);
    };
    const std::uint64_t failed = fail_each_allocation(begin);
    CHECK(failed > 4);
    CHECK(granted >= 2);
}

TEST_CASE("whatever allocation fails in a wait for a limiter, nobody else's is kept") {
    std::optional<World> world;
    std::optional<TokenBucket> bucket;
    std::optional<net::cancellation_signal> signal;
    int had = 0;
    const auto renew = [&] {
        world.emplace();
        bucket.emplace(TokenBucketOptions{
            .tokens = 1, .period = 1h, .burst = 1, .max_debt = 9});
        had = 0;
    };
    renew();
    const auto work = [&] {
        for (int i = 0; i < 2; ++i) {
            async_acquire(
                *bucket,
                1,
                {.max_wait = 24h},
                net::bind_cancellation_slot(
                    signal.emplace().slot(),
                    net::bind_executor(
                        world->context.get_executor(),
                        [&](const Result<void>& result) {
                            if (result) ++had;
                        }
                    )
                )
            );
        }
        world->time.run();
    };
    const auto check = [&] {
        CHECK(world->time.run());
        CHECK(world->time.waiting() == 0);
        CHECK(bucket->snapshot(world->start).until_full == had * 1h);
        renew();
    };
    CHECK(testing::fail_each_allocation(work, check) > 2);
}

TEST_CASE("whatever allocation fails in a timeout or a hedge, nothing goes on by itself"
) {
    int ended = 0;
    std::optional<net::cancellation_signal> signal;
    const auto count = [&](World& world) {
        return net::bind_cancellation_slot(
            signal.emplace().slot(),
            net::bind_executor(
                world.context.get_executor(),
                [&](const std::exception_ptr&, const Result<int>&) { ++ended; }
            )
        );
    };
    std::optional<Timeout<>> timeout;
    const auto timed = [&](World& world, Policies& p) {
        const auto executor = world.context.get_executor();
        timeout.emplace(TimeoutOptions{.limit = 5ms});
        async_with_timeout(
            executor,
            *timeout,
            [&p, executor](auto&& token) {
                return p.operation.async_call(
                    executor, std::forward<decltype(token)>(token)
                );
            },
            count(world)
        );
    };
    CHECK(fail_each_allocation(timed) > 4);
    CHECK(std::exchange(ended, 0) > 0);
    const auto hedged = [&](World& world, Policies& p) {
        const auto executor = world.context.get_executor();
        async_with_hedge(
            executor,
            p.hedge,
            [&p, executor](std::uint32_t, auto&& token) {
                return p.operation.async_call(
                    executor, std::forward<decltype(token)>(token)
                );
            },
            count(world)
        );
    };
    CHECK(fail_each_allocation(hedged) > 4);
    CHECK(ended > 0);
}

TEST_CASE("whatever allocation fails in a submission to a pool, its context can rest") {
    std::atomic<int> ran{0};
    int ended = 0;
    WorkerPool pool{{.threads = 1, .capacity = 1}};
    std::optional<net::cancellation_signal> signal;
    std::optional<net::io_context> io{std::in_place};
    const auto work = [&] {
        async_submit(
            pool,
            [&ran] { ++ran; },
            {.correlation_id = "longer than what a string holds in itself"},
            net::bind_cancellation_slot(
                signal.emplace().slot(),
                net::bind_executor(
                    io->get_executor(),
                    [&](const Result<void>& r) {
                        CHECK(r.has_value());
                        ++ended;
                    }
                )
            )
        );
        io->run();
    };
    const std::uint64_t failed = testing::fail_each_allocation(work, [&] {
        io->restart();
        io->run();
        CHECK(ended == ran);
        io.emplace();
    });
    CHECK(failed > 2);
    CHECK(ended > 0);
    CHECK(testing::finish(pool).clean());
    const WorkerPoolSnapshot left = pool.snapshot();
    CHECK(left.queue_size == 0);
    CHECK(left.waiting == 0);
    CHECK(left.processing == 0);
}
