// SPDX-License-Identifier: MIT
#include <resilience/asio/timeout.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using testing::Blow;
using testing::ScriptedOperation;
using testing::VirtualTime;

/// What a call of `op` under `timeout` yields, and when.
template <class T>
struct Ended {
    Result<T> result;
    Clock::duration after;
};

Ended<int> call(World& world, Timeout<>& timeout, ScriptedOperation<int>& op) {
    std::optional<Ended<int>> ended;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        Result<int> r = co_await co_with_timeout(timeout, [&] { return op(); });
        CHECK(op.in_flight() == 0);
        ended.emplace(Ended<int>{std::move(r), world.elapsed()});
    });
    CHECK(!thrown);
    REQUIRE(ended);
    return *ended;
}

}  // namespace

TEST_CASE("timeout: an operation that ends in time ends as it ends, and no timer is left"
) {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.succeed_after(10ms, 7).fail_after(10ms, fail(Errc::unavailable));
    auto r = call(world, timeout, op);
    CHECK(r.result.value() == 7);
    CHECK(r.after == 10ms);
    r = call(world, timeout, op);
    CHECK(r.result.error() == Errc::unavailable);
    CHECK(r.after == 20ms);
    CHECK(timeout.snapshot().timed_out == 0);
}

TEST_CASE("timeout: a failure at 5 ms under a 500 ms timer returns at 5 ms (asio#900)") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.fail_after(5ms, fail(Errc::connection_lost))
        .throw_after(5ms, std::runtime_error{"boom"});
    const auto r = call(world, timeout, op);
    CHECK(r.result.error() == Errc::connection_lost);
    CHECK(r.after == 5ms);
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_with_timeout(timeout, [&] { return op(); });
    });
    REQUIRE(thrown);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(thrown), "boom", std::runtime_error);
    CHECK(world.elapsed() == 10ms);
}

TEST_CASE("timeout: at the limit the operation is cancelled, and has ended (seastar#2471)"
) {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.hang();
    const auto r = call(world, timeout, op);
    CHECK(r.result.error() == Errc::timed_out_in_doubt);
    CHECK(r.after == 500ms);
    CHECK(op.cancelled() == 1);
    CHECK(timeout.snapshot().timed_out == 1);
}

TEST_CASE("timeout: what ignores the cancellation is waited for, and its answer stands") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.ignore_cancellation(3s, 7);
    const auto r = call(world, timeout, op);
    CHECK(r.result.value() == 7);
    CHECK(r.after == 3s);
    CHECK(timeout.snapshot().late == 1);
    CHECK(timeout.snapshot().timed_out == 0);
}

TEST_CASE("timeout: what was never sent is not in doubt; a refusal stays a refusal") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    const auto end_as = [&](Errc code) {
        Result<int> r{0};
        world.run([&]() -> net::awaitable<void> {
            r = co_await co_with_timeout(timeout, [&]() -> net::awaitable<Result<int>> {
                Timer timer{co_await net::this_coro::executor};
                (void)co_await timer.async_wait_until(TimePoint::max());
                co_return fail(code);
            });
        });
        return r.error();
    };
    CHECK(end_as(Errc::cancelled) == Errc::timed_out);
    CHECK(end_as(Errc::cancelled_in_doubt) == Errc::timed_out_in_doubt);
    CHECK(end_as(Errc::bulkhead_full) == Errc::bulkhead_full);
}

TEST_CASE("timeout: the caller's own deadline counts where it is nearer") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.hang();
    world.run([&]() -> net::awaitable<void> {
        const TimePoint outer = world.start + 20ms;
        Result<int> r = co_await co_with_timeout(
            timeout, [&] { return op(); }, outer
        );
        CHECK(r.error() == Errc::timed_out_in_doubt);
    });
    CHECK(world.elapsed() == 20ms);
}

TEST_CASE("timeout: a coroutine with no place for a failure throws the timeout") {
    World world;
    Timeout timeout{{.limit = 500ms}};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        co_await co_with_timeout(timeout, []() -> net::awaitable<void> {
            net::steady_timer timer{co_await net::this_coro::executor};
            timer.expires_at(net::steady_timer::time_point::max());
            co_await timer.async_wait(net::use_awaitable);
        });
    });
    REQUIRE(thrown);
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& e) {
        CHECK(e.code() == Errc::timed_out_in_doubt);
    }
    const auto fine = world.run([&]() -> net::awaitable<void> {
        const std::string text = co_await co_with_timeout(
            timeout, []() -> net::awaitable<std::string> { co_return "text"; }
        );
        CHECK(text == "text");
    });
    CHECK(!fine);
}

TEST_CASE(
    "timeout: a factory that throws before there is a coroutine throws to its caller"
) {
    World world;
    Timeout timeout{{.limit = 500ms}};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_with_timeout(timeout, []() -> net::awaitable<int> {
            throw std::runtime_error{"no coroutine"};
        });
    });
    CHECK_THROWS_WITH(std::rethrow_exception(thrown), "no coroutine");
    CHECK(world.elapsed() == 0s);
}

TEST_CASE(
    "timeout: with a grace the caller goes on, and the work is left running, counted"
) {
    World world;
    Timeout timeout{{.limit = 500ms, .detach_after = 100ms}};
    ScriptedOperation<int> op;
    op.ignore_cancellation(3s, 7).ignore_cancellation(550ms, 8);
    world.run([&]() -> net::awaitable<void> {
        Result<int> r = co_await co_with_timeout(timeout, [&] { return op(); });
        CHECK(r.error() == Errc::timed_out_in_doubt);
        CHECK(world.elapsed() == 600ms);
        CHECK(op.in_flight() == 1);
        CHECK(timeout.snapshot().detached == 1);
        CHECK(timeout.snapshot().still_running == 1);
        CHECK(timeout.snapshot().timed_out == 1);
    });
    CHECK(op.in_flight() == 0);
    CHECK(timeout.snapshot().still_running == 0);
    const auto begin = world.elapsed();
    const auto r = call(world, timeout, op);
    CHECK(r.result.value() == 8);
    CHECK(r.after - begin == 550ms);
    CHECK(timeout.snapshot().detached == 1);
}

TEST_CASE("timeout: detached work may outlive the timeout, and its context may end first"
) {
    ScriptedOperation<int> op;
    op.ignore_cancellation(3s, 7);
    {
        World world;
        {
            Timeout timeout{{.limit = 5ms, .detach_after = 1ms}};
            std::optional<Result<int>> result;
            net::co_spawn(
                world.context,
                [&]() -> net::awaitable<void> {
                    result = co_await co_with_timeout(timeout, [&] { return op(); });
                },
                net::detached
            );
            world.time.run_for(10ms);
            REQUIRE(result);
            CHECK(result->error() == Errc::timed_out_in_doubt);
        }
        CHECK(op.in_flight() == 1);
    }
    CHECK(op.in_flight() == 0);
    CHECK(op.destroyed() == 1);
}

TEST_CASE(
    "timeout: cancelled or destroyed anywhere, nothing is left and the next call runs"
) {
    ScriptedOperation<int> op;
    op.succeed_after(10ms, 1);
    for (const auto limit : {5ms, 500ms}) {
        for (const auto detach_after : {0ms, 1ms}) {
            Timeout timeout{{.limit = limit, .detach_after = detach_after}};
            const auto scenario = [&](VirtualTime&) -> net::awaitable<void> {
                for (int i = 0; i < 2; ++i) {
                    (void)co_await co_with_timeout(timeout, [&] { return op(); });
                }
            };
            const auto report = testing::cancel_everywhere(
                scenario,
                [&](const testing::CancelledRun& run) {
                    CHECK(op.in_flight() == 0);
                    CHECK(timeout.snapshot().still_running == 0);
                    if (run.blow != Blow::destroy) CHECK(run.waits_left == 0);
                }
            );
            CHECK(report.unfinished == 0);
            CHECK(report.endless == 0);
            CHECK(report.points > 20);
            World world;
            ScriptedOperation<int> next;
            next.succeed_after(1ms, 2);
            CHECK(call(world, timeout, next).result.value() == 2);
        }
    }
}

TEST_CASE("timeout: timeouts nest; the inner one's end is the outer one's call") {
    World world;
    Timeout outer{{.limit = 100ms}};
    Timeout inner{{.limit = 500ms}};
    ScriptedOperation<int> op;
    op.hang();
    world.run([&]() -> net::awaitable<void> {
        Result<int> r = co_await co_with_timeout(outer, [&] {
            return co_with_timeout(inner, [&] { return op(); });
        });
        CHECK(r.error() == Errc::timed_out_in_doubt);
        CHECK(op.in_flight() == 0);
    });
    CHECK(world.elapsed() == 100ms);
    CHECK(inner.snapshot().timed_out == 0);
    CHECK(outer.snapshot().timed_out == 1);
}
