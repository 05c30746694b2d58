// SPDX-License-Identifier: MIT
#include <resilience/asio/timeout.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
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
using testing::ScriptedOperation;

/// An operation that cannot be begun.
struct Throws {
    auto operator()(auto token) {
        return net::async_initiate<decltype(token), void(Result<int>)>(
            [](auto) { throw std::runtime_error{"boom"}; }, token
        );
    }
};

}  // namespace

TEST_CASE("timeout: any operation of a completion token is limited; its code tells") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    net::steady_timer machine{world.context, net::steady_timer::time_point::max()};
    std::optional<boost::system::error_code> code;
    async_with_timeout(
        world.context.get_executor(),
        timeout,
        machine.async_wait(net::deferred),
        [&](boost::system::error_code e) { code = e; }
    );
    CHECK(!code);
    world.time.run();
    REQUIRE(code);
    CHECK(std::error_code{*code} == Errc::timed_out_in_doubt);
    CHECK(world.elapsed() == 500ms);

    Timer timer{world.context.get_executor()};
    std::optional<Result<void>> result;
    async_with_timeout(
        world.context.get_executor(),
        timeout,
        [&](auto token) { return timer.async_wait_until(TimePoint::max(), token); },
        [&](Result<void> r) { result = r; }
    );
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::timed_out);
    CHECK(world.time.waiting() == 0);
}

TEST_CASE(
    "timeout: an operation that throws as it begins fails; the timer is not waited for"
) {
    World world;
    Timeout timeout{{.limit = 500ms}};
    std::optional<Result<int>> result;
    async_with_timeout(
        world.context.get_executor(),
        timeout,
        Throws{},
        [&](Result<int> r) { result = r; }
    );
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::internal);
    CHECK(world.elapsed() == 0s);
}

TEST_CASE("timeout: the caller's cancellation is no timeout (resilience4j#1428)") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.hang();
    net::cancellation_signal signal;
    std::optional<Result<int>> result;
    const auto on_end = [&](std::exception_ptr e, std::optional<Result<int>> r) {
        CHECK(!e);
        result = *r;
    };
    const auto work = [&] { return op(); };
    async_with_timeout(
        world.context.get_executor(),
        timeout,
        detail::Spawned<decltype(work)>{world.context.get_executor(), work},
        net::bind_cancellation_slot(signal.slot(), on_end)
    );
    world.time.run_for(100ms);
    signal.emit(net::cancellation_type::terminal);
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::cancelled_in_doubt);
    CHECK(world.elapsed() == 100ms);
    CHECK(timeout.snapshot().timed_out == 0);
    signal.emit(net::cancellation_type::terminal);
    world.time.run();
}

TEST_CASE("timeout: whoever cancelled learns the end, be it beyond the limit") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    Timer timer{world.context.get_executor()};
    net::cancellation_signal signal;
    std::optional<Result<void>> result;
    async_with_timeout(
        world.context.get_executor(),
        timeout,
        [&](auto token) {
            return async_wait_undeterred(timer, world.start + 700ms, std::move(token));
        },
        net::bind_cancellation_slot(signal.slot(), [&](Result<void> r) { result = r; })
    );
    world.time.run_for(100ms);
    signal.emit(net::cancellation_type::terminal);
    world.time.run();
    REQUIRE(result);
    CHECK(result->has_value());
    CHECK(world.elapsed() == 700ms);
    CHECK(timeout.snapshot().timed_out == 0);
    CHECK(timeout.snapshot().late == 0);
}

TEST_CASE("timeout: what is cancelled before it began is not made") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    net::cancellation_signal signal;
    std::optional<Result<int>> result;
    const auto work = [&] { return op(); };
    // Ready before the operation's begin is.
    net::post(world.context, [&] { signal.emit(net::cancellation_type::total); });
    async_with_timeout(
        world.context.get_executor(),
        timeout,
        detail::Spawned<decltype(work)>{world.context.get_executor(), work},
        net::bind_cancellation_slot(
            signal.slot(),
            [&](std::exception_ptr, std::optional<Result<int>> r) { result = *r; }
        )
    );
    world.time.run();
    REQUIRE(result);
    CHECK(result->error() == Errc::cancelled);
    CHECK(op.calls() == 0);
}

TEST_CASE("timeout: coroutines on a pool of threads need no strand of their own") {
    net::thread_pool pool{2};
    Timeout timeout{{.limit = 2ms}};
    std::vector<std::future<int>> ends;
    for (int i = 0; i < 50; ++i) {
        ends.push_back(net::co_spawn(
            pool,
            [&timeout, i]() -> net::awaitable<int> {
                Result<int> r = co_await co_with_timeout(
                    timeout,
                    [i]() -> net::awaitable<Result<int>> {
                        Timer timer{co_await net::this_coro::executor};
                        const TimePoint end = i % 2 ? TimePoint::max() : timer.now();
                        Result<void> waited = co_await timer.async_wait_until(end);
                        if (!waited) co_return waited.error();
                        co_return i;
                    }
                );
                co_return r ? *r : -1;
            },
            net::use_future
        ));
    }
    for (int i = 0; i < 50; ++i) {
        const int end = ends[static_cast<std::size_t>(i)].get();
        if (i % 2) CHECK(end == -1);
    }
    CHECK(timeout.snapshot().timed_out >= 25);
}

TEST_CASE("timeout: on a strand, calls allocate nothing once the first ones are made") {
    net::io_context context;
    Timeout timeout{{.limit = 1h}};
    std::uint64_t made = 1;
    const auto work = []() -> net::awaitable<Result<int>> { co_return 1; };
    net::co_spawn(
        net::make_strand(context),
        [&]() -> net::awaitable<void> {
            for (int round = 0; round < 2; ++round) {
                testing::AllocationCounter counter;
                for (int i = 0; i < 10; ++i) {
                    (void)co_await co_with_timeout(timeout, work);
                }
                made = counter.made();
            }
        },
        net::detached
    );
    context.run();
    CHECK(made == 0);
}

TEST_CASE("timeout: the caller cancels where it lives while the end comes elsewhere") {
    net::io_context here;
    // An operation lets go of its caller's context a little after it called the handler.
    const auto busy = net::make_work_guard(here);
    net::thread_pool there{1};
    Timeout timeout{{.limit = 1h}};
    for (int i = 0; i < 200; ++i) {
        net::cancellation_signal signal;
        net::steady_timer machine{there, std::chrono::microseconds{20 + i % 40}};
        bool over = false;
        async_with_timeout(
            there.get_executor(),
            timeout,
            machine.async_wait(net::deferred),
            net::bind_cancellation_slot(
                signal.slot(),
                net::bind_executor(
                    here.get_executor(), [&](boost::system::error_code) { over = true; }
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
