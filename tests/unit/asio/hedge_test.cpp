// SPDX-License-Identifier: MIT
#include <resilience/asio/hedge.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/seeded_random.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/detached.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using testing::Blow;
using testing::ScriptedOperation;
using testing::VirtualTime;

const HedgeOptions kAfter100ms{.delay = 100ms, .idempotent = true};

RetryBudgetOptions spent() { return {.ratio = 0, .min_per_sec = 0, .initial = 0}; }

/// What a hedged call of `op` yields; when it does, all attempts have ended.
Result<int> call(World& world, Hedge<>& hedge, ScriptedOperation<int>& op) {
    std::optional<Result<int>> result;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        result = co_await co_with_hedge(hedge, [&] { return op(); });
        CHECK(op.in_flight() == 0);
    });
    CHECK(!thrown);
    REQUIRE(result);
    return *result;
}

}  // namespace

TEST_CASE("hedge: a quick call is made once") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> op;
    op.succeed_after(99ms, 7);
    CHECK(call(world, hedge, op).value() == 7);
    CHECK(op.calls() == 1);
    CHECK(world.elapsed() == 99ms);
    CHECK(hedge.snapshot().hedges == 0);
}

TEST_CASE(
    "hedge: of a slow call and its hedge the first answer counts, the loser has ended "
    "(tower-resilience#369)"
) {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> op;
    op.succeed_after(1s, 1).succeed_after(20ms, 2);
    CHECK(call(world, hedge, op).value() == 2);
    CHECK(world.elapsed() == 120ms);
    CHECK(op.cancelled() == 1);
    CHECK(op.most_in_flight() == 2);
    CHECK(hedge.snapshot().wins == 1);

    ScriptedOperation<int> first;
    first.succeed_after(110ms, 1).succeed_after(1s, 2);
    CHECK(call(world, hedge, first).value() == 1);
    CHECK(first.cancelled() == 1);
    CHECK(hedge.snapshot().wins == 1);
}

TEST_CASE("hedge: a loser that ignores its cancellation is waited for") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> op;
    op.ignore_cancellation(3s, 1).succeed_after(20ms, 2);
    CHECK(call(world, hedge, op).value() == 2);
    CHECK(world.elapsed() == 3s);
}

TEST_CASE("hedge: as many attempts as allowed, one delay apart") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{{.attempts = 4, .delay = 10ms, .idempotent = true}, budget};
    ScriptedOperation<int> op;
    op.hang().hang().hang().succeed_after(5ms, 4);
    CHECK(call(world, hedge, op).value() == 4);
    CHECK(world.elapsed() == 35ms);
    CHECK(op.calls() == 4);
    CHECK(op.cancelled() == 3);

    ScriptedOperation<int> at_once;
    Hedge parallel{{.attempts = 3, .delay = 0ms, .idempotent = true}, budget};
    at_once.succeed_after(10ms, 1);
    CHECK(call(world, parallel, at_once).value() == 1);
    CHECK(at_once.most_in_flight() == 3);
}

TEST_CASE("hedge: without budget the call goes on with what it has (failsafe-go#141)") {
    World world;
    RetryBudget budget{spent(), world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> op;
    op.succeed_after(1s, 1);
    CHECK(call(world, hedge, op).value() == 1);
    CHECK(op.calls() == 1);
    CHECK(op.cancelled() == 0);
    CHECK(world.elapsed() == 1s);
    CHECK(hedge.snapshot().suppressed == 1);
}

TEST_CASE(
    "hedge: a failed first attempt without budget ends the call at once "
    "(grpc-java#7222)"
) {
    World world;
    RetryBudget budget{spent(), world.start};
    Hedge hedge{{.attempts = 3, .delay = 100ms, .idempotent = true}, budget};
    ScriptedOperation<int> op;
    op.fail_after(4ms, fail(Errc::unavailable))
        .fail_after(150ms, fail(Errc::unavailable));
    CHECK(call(world, hedge, op).error() == Errc::unavailable);
    CHECK(world.elapsed() == 4ms);
    CHECK(call(world, hedge, op).error() == Errc::unavailable);
    CHECK(world.elapsed() == 154ms);
}

TEST_CASE("hedge: a failed attempt does not cancel the others (failsafe-go#65)") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> first_fails;
    first_fails.fail_after(150ms, fail(Errc::connection_lost)).succeed_after(200ms, 2);
    CHECK(call(world, hedge, first_fails).value() == 2);
    CHECK(first_fails.cancelled() == 0);

    ScriptedOperation<int> hedge_fails;
    hedge_fails.succeed_after(300ms, 1).fail_after(10ms, fail(Errc::connection_lost));
    CHECK(call(world, hedge, hedge_fails).value() == 1);

    ScriptedOperation<int> both_fail;
    both_fail.fail_after(150ms, fail(Errc::connection_lost))
        .fail_after(100ms, fail(Errc::unavailable));
    CHECK(call(world, hedge, both_fail).error() == Errc::connection_lost);
}

TEST_CASE("hedge: what no repetition cures ends the call; answers do") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    for (const Errc code : {Errc::not_found, Errc::access_denied}) {
        ScriptedOperation<int> op;
        op.hang().fail_after(10ms, fail(code));
        CHECK(call(world, hedge, op).error() == code);
        CHECK(op.cancelled() == 1);
    }
}

TEST_CASE("hedge: a refusal by a local limit says nothing of the peer, and is paid back"
) {
    World world;
    RetryBudget budget{
        {.ratio = 0, .min_per_sec = 0, .cap = 14, .initial = 14}, world.start};
    Hedge hedge{{.attempts = 4, .delay = 10ms, .idempotent = true}, budget};
    ScriptedOperation<int> op;
    op.succeed_after(1s, 1).fail_after(1ms, fail(Errc::bulkhead_full));
    CHECK(call(world, hedge, op).value() == 1);
    CHECK(op.calls() == 2);
    CHECK(budget.snapshot(world.time.now()).retries == 1);
}

TEST_CASE("hedge: an attempt that throws is judged by its exception") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> op;
    op.throw_after(5ms, std::runtime_error{"boom"});
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_with_hedge(hedge, [&] { return op(); });
    });
    CHECK_THROWS_WITH_AS(std::rethrow_exception(thrown), "boom", std::runtime_error);

    const auto lost = std::make_error_code(std::errc::connection_reset);
    ScriptedOperation<int> transient;
    transient.throw_after(150ms, std::system_error{lost}).succeed_after(200ms, 2);
    CHECK(call(world, hedge, transient).value() == 2);

    ScriptedOperation<int> boosts;
    boosts.throw_after(150ms, boost::system::system_error{net::error::connection_reset})
        .succeed_after(200ms, 2);
    CHECK(call(world, hedge, boosts).value() == 2);
}

TEST_CASE("hedge: a coroutine may know its number, and may return nothing") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    std::vector<std::uint32_t> numbers;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        co_await co_with_hedge(hedge, [&](std::uint32_t attempt) -> net::awaitable<void> {
            numbers.push_back(attempt);
            Timer timer{co_await net::this_coro::executor};
            (void)co_await timer.async_wait_until(timer.now() + 150ms);
        });
    });
    CHECK(!thrown);
    CHECK(numbers == std::vector<std::uint32_t>{0, 1});
}

TEST_CASE("hedge: when the peer is slow as a whole, the load does not double (brpc#3228)"
) {
    World world;
    // Each call pays for a tenth of a hedge; nothing else does.
    RetryBudget budget{{.ratio = 0.1, .min_per_sec = 0, .initial = 0}, world.start};
    Hedge hedge{kAfter100ms, budget};
    ScriptedOperation<int> op;
    op.succeed_after(1s, 1);
    constexpr int calls = 500;
    int ended = 0;
    for (int i = 0; i < calls; ++i) {
        net::co_spawn(
            world.context,
            [&, i]() -> net::awaitable<void> {
                Timer timer{co_await net::this_coro::executor};
                (void)co_await timer.async_wait_until(world.start + i * 1ms);
                Result<int> r = co_await co_with_hedge(hedge, [&] { return op(); });
                ended += r.has_value();
            },
            net::detached
        );
    }
    world.time.run();
    CHECK(ended == calls);
    CHECK(op.calls() <= calls + calls / 10);
    CHECK(op.calls() >= calls + calls / 10 - 1);
    CHECK(hedge.snapshot().suppressed == calls - hedge.snapshot().hedges);
}

TEST_CASE("hedge: the delay follows the calls, also those that a hedge cut off") {
    // Makes 3000 calls, of which one in `one_in` takes 500 ms and the others 10 ms to 20
    // ms.
    const auto after_calls = [](std::uint64_t one_in, Clock::duration delay) {
        World world;
        RetryBudget budget{{.ratio = 1}, world.start};
        Hedge hedge{{.delay = delay, .quantile = 0.95, .idempotent = true}, budget};
        testing::SeededRandom random;
        CAPTURE(random.seed());
        const auto fetch = [&]() -> net::awaitable<Result<int>> {
            const std::uint64_t ms =
                random.below(one_in) == 0 ? 500 : 10 + random.below(10);
            Timer timer{co_await net::this_coro::executor};
            const TimePoint end = timer.now() + std::chrono::milliseconds{ms};
            Result<void> waited = co_await timer.async_wait_until(end);
            if (!waited) co_return fail(Errc::cancelled_in_doubt);
            co_return 1;
        };
        world.run([&]() -> net::awaitable<void> {
            for (int i = 0; i < 3000; ++i) {
                Result<int> r = co_await co_with_hedge(hedge, fetch);
                CHECK(r.has_value());
            }
        });
        return hedge.snapshot();
    };
    const HedgeSnapshot rarely_slow = after_calls(30, 10s);
    CHECK(*rarely_slow.delay < 30ms);
    CHECK(rarely_slow.hedges > 3000 / 60);
    CHECK(rarely_slow.hedges < 3000 / 10);
    // More calls are slow than the quantile leaves: the delay may not shrink to the
    // quick.
    const HedgeSnapshot often_slow = after_calls(10, 50ms);
    CHECK(*often_slow.delay > 60ms);
}

TEST_CASE("hedge: cancelled or destroyed anywhere, nothing is left and the next call runs"
) {
    RetryBudget budget{{}, World{}.start};
    Hedge hedge{{.attempts = 3, .delay = 10ms, .idempotent = true}, budget};
    ScriptedOperation<int> op;
    op.succeed_after(25ms, 1);
    ScriptedOperation<int> mixed;
    mixed.fail_after(15ms, fail(Errc::unavailable));
    const auto scenario = [&](VirtualTime&) -> net::awaitable<void> {
        (void)co_await co_with_hedge(hedge, [&] { return op(); });
        (void)co_await co_with_hedge(hedge, [&] { return mixed(); });
    };
    const auto report =
        testing::cancel_everywhere(scenario, [&](const testing::CancelledRun& run) {
            CHECK(op.in_flight() == 0);
            CHECK(mixed.in_flight() == 0);
            if (run.blow != Blow::destroy) CHECK(run.waits_left == 0);
        });
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
    CHECK(report.points > 30);
    World world;
    ScriptedOperation<int> next;
    next.succeed_after(1ms, 2);
    CHECK(call(world, hedge, next).value() == 2);
}
