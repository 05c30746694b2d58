// SPDX-License-Identifier: MIT
#include <resilience/asio/chaos.hpp>
#include <resilience/asio/fallback.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <unit/asio/world.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using testing::Blow;
using testing::ScriptedOperation;
using testing::VirtualTime;

}  // namespace

TEST_CASE("fallback: a coroutine's failure is replaced by a value or by another coroutine"
) {
    World world;
    ScriptedOperation<int> op;
    op.succeed_after(1ms, 1)
        .fail_after(1ms, fail(Errc::unavailable))
        .throw_after(1ms, std::runtime_error{"boom"})
        .fail_after(1ms, fail(Errc::not_found));
    ScriptedOperation<int> other;
    other.succeed_after(10ms, 2).fail_after(10ms, fail(Errc::shed));
    Fallback second{[&] { return other(); }};
    Fallback value{42};
    const auto work = [&] { return op(); };
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        Result<int> r = co_await co_with_fallback(second, work);
        CHECK(r.value() == 1);
        r = co_await co_with_fallback(second, work);
        CHECK(r.value() == 2);
        r = co_await co_with_fallback(second, work);
        CHECK(r.error() == Errc::shed);
        r = co_await co_with_fallback(value, work);
        CHECK(r.error() == Errc::not_found);
    });
    CHECK(!thrown);
    CHECK(world.elapsed() == 24ms);
    CHECK(second.snapshot().used == 2);
    CHECK(second.snapshot().failed == 1);
    CHECK(value.snapshot().used == 0);
}

TEST_CASE("fallback: what a coroutine's alternative throws reaches the caller, counted") {
    World world;
    ScriptedOperation<int> op;
    op.fail_after(1ms, fail(Errc::unavailable));
    Fallback fallback{[](const FallbackCause&) -> net::awaitable<Result<int>> {
        throw std::logic_error{"second"};
        co_return 1;
    }};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_with_fallback(fallback, [&] { return op(); });
    });
    CHECK_THROWS_WITH_AS(std::rethrow_exception(thrown), "second", std::logic_error);
    CHECK(fallback.snapshot().failed == 1);

    Fallback declines{1, [](const FallbackCause&) { return false; }};
    const auto first = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_with_fallback(declines, []() -> net::awaitable<int> {
            throw std::runtime_error{"first"};
            co_return 1;
        });
    });
    CHECK_THROWS_WITH_AS(std::rethrow_exception(first), "first", std::runtime_error);
}

TEST_CASE("fallback: the cause knows the code of a Boost exception") {
    World world;
    std::error_code code;
    Fallback fallback{[&](const FallbackCause& cause) {
        code = cause.failure.code;
        CHECK(cause.classification.verdict == Verdict::transient);
        return 1;
    }};
    world.run([&]() -> net::awaitable<void> {
        const int n = co_await co_with_fallback(fallback, []() -> net::awaitable<int> {
            throw boost::system::system_error{net::error::connection_refused};
            co_return 2;
        });
        CHECK(n == 1);
    });
    CHECK(code == std::errc::connection_refused);
}

TEST_CASE("fallback: a coroutine that returns nothing has an alternative too") {
    World world;
    int used = 0;
    Fallback fallback{[&]() -> net::awaitable<void> {
        ++used;
        co_return;
    }};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        co_await co_with_fallback(fallback, []() -> net::awaitable<void> { co_return; });
        CHECK(used == 0);
        co_await co_with_fallback(fallback, []() -> net::awaitable<void> {
            throw std::runtime_error{"boom"};
            co_return;
        });
    });
    CHECK(!thrown);
    CHECK(used == 1);
}

TEST_CASE("fallback: a call that its caller cancelled has no alternative, wherever it was"
) {
    ScriptedOperation<int> op;
    // Says connection_lost, not cancelled, when it is cancelled.
    const auto work = [&]() -> net::awaitable<Result<int>> {
        Result<int> r = co_await op();
        if (!r) co_return fail(Errc::connection_lost);
        co_return r;
    };
    op.hang();
    ScriptedOperation<int> other;
    Fallback fallback{[&] { return other(); }};
    const auto report = testing::cancel_everywhere(
        [&](VirtualTime&) -> net::awaitable<void> {
            Result<int> r = co_await co_with_fallback(fallback, work);
            CHECK(r.error() == Errc::connection_lost);
        },
        [&](const testing::CancelledRun& run) {
            CHECK(op.in_flight() == 0);
            CHECK(!run.error);
        }
    );
    CHECK(report.unfinished == 0);
    CHECK(report.points >= 8);
    CHECK(other.calls() == 0);
    CHECK(fallback.snapshot().used == 0);
}

TEST_CASE("fallback: cancelled or destroyed anywhere in it, nothing is left") {
    ScriptedOperation<int> op;
    op.fail_after(5ms, fail(Errc::unavailable));
    ScriptedOperation<int> other;
    other.succeed_after(5ms, 2);
    Fallback fallback{[&] { return other(); }};
    const auto report = testing::cancel_everywhere(
        [&](VirtualTime&) -> net::awaitable<void> {
            (void)co_await co_with_fallback(fallback, [&] { return op(); });
        },
        [&](const testing::CancelledRun& run) {
            CHECK(op.in_flight() == 0);
            CHECK(other.in_flight() == 0);
            if (run.blow != Blow::destroy) CHECK(run.waits_left == 0);
        }
    );
    CHECK(report.unfinished == 0);
    CHECK(report.points >= 12);
}

TEST_CASE("chaos: a coroutine is delayed, replaced, or left alone") {
    World world;
    const auto outcome = [] { return Result<int>{99}; };
    Chaos chaos{{.fault_rate = 1, .latency_rate = 1, .latency = 30ms}, outcome};
    ScriptedOperation<int> op;
    op.succeed_after(1ms, 1);
    const auto work = [&] { return op(); };
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        Result<int> r = co_await co_with_chaos(chaos, work);
        CHECK(r.error() == Errc::unavailable);
        CHECK(op.calls() == 0);
        CHECK(world.elapsed() == 30ms);
        chaos.reconfigure({.outcome_rate = 1});
        r = co_await co_with_chaos(chaos, work);
        CHECK(r.value() == 99);
        chaos.enable(false);
        r = co_await co_with_chaos(chaos, work);
        CHECK(r.value() == 1);
    });
    CHECK(!thrown);

    Chaos<> fault{{.fault_rate = 1, .fault = Errc::shed}};
    const auto refused = world.run([&]() -> net::awaitable<void> {
        co_await co_with_chaos(fault, []() -> net::awaitable<void> { co_return; });
    });
    REQUIRE(refused);
    CHECK_THROWS_AS(std::rethrow_exception(refused), std::system_error);
}

TEST_CASE("chaos: cancelled or destroyed anywhere, nothing is left; the wait is cut short"
) {
    Chaos<> chaos{{.latency_rate = 1, .latency = 1h}};
    ScriptedOperation<int> op;
    op.succeed_after(1ms, 1);
    std::size_t cut = 0;
    const auto report = testing::cancel_everywhere(
        [&](VirtualTime& time) -> net::awaitable<void> {
            const TimePoint start = time.now();
            Result<int> r = co_await co_with_chaos(chaos, [&] { return op(); });
            if (r) co_return;
            if (time.now() == start) {
                CHECK(r.error() == Errc::cancelled);
                ++cut;
            }
        },
        [&](const testing::CancelledRun& run) {
            CHECK(op.in_flight() == 0);
            CHECK(!run.error);
            if (run.blow != Blow::destroy) CHECK(run.waits_left == 0);
        }
    );
    CHECK(report.unfinished == 0);
    CHECK(report.points >= 12);
    CHECK(cut == 3);
}
