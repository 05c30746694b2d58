// SPDX-License-Identifier: MIT
// Fallback, hedge and chaos as stages of a pipeline in its coroutine form.
#include <resilience/asio/pipeline.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <unit/asio/world.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

using testing::ScriptedOperation;

const HedgeOptions kAfter100ms{.delay = 100ms, .idempotent = true};

/// What the pipeline makes of `op`; when it does, no attempt is under way.
template <class Pipeline>
Result<int> call(World& world, Pipeline& pipeline, ScriptedOperation<int>& op) {
    std::optional<Result<int>> result;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        result = co_await co_run(pipeline, [&](CallContext&) { return op(); });
        CHECK(op.in_flight() == 0);
    });
    CHECK(!thrown);
    REQUIRE(result);
    return *result;
}

}  // namespace

TEST_CASE("a coroutine's fallback stands in for failures, refusals and exceptions") {
    World world;
    CircuitBreaker breaker;
    Fallback value{42};
    ScriptedOperation<int> other;
    other.succeed_after(10ms, 43);
    Fallback coroutine{[&] { return other(); }};
    Pipeline with_value{breaker, value};
    Pipeline with_coroutine{breaker, coroutine};
    ScriptedOperation<int> op;
    op.succeed_after(1ms, 1)
        .fail_after(1ms, fail(Errc::unavailable))
        .throw_after(1ms, std::runtime_error{"broken"});
    CHECK(call(world, with_value, op).value() == 1);
    CHECK(call(world, with_value, op).value() == 42);
    CHECK(call(world, with_value, op).value() == 42);
    CHECK(call(world, with_coroutine, op).value() == 43);
    breaker.force_open();
    CHECK(call(world, with_value, op).value() == 42);
    CHECK(op.calls() == 4);
    CHECK(value.snapshot().used == 3);
    CHECK(value.snapshot().failed == 0);
}

TEST_CASE("a coroutine's fallback knows the code of a Boost exception, which else stays"
) {
    World world;
    std::vector<std::error_code> seen;
    Fallback declines{1, [&](const FallbackCause& cause) {
                          seen.push_back(cause.failure.code);
                          return false;
                      }};
    Pipeline pipeline{declines};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [](CallContext&) -> net::awaitable<int> {
            throw boost::system::system_error{net::error::connection_refused};
            co_return 1;
        });
    });
    REQUIRE(thrown);
    CHECK_THROWS_AS(std::rethrow_exception(thrown), boost::system::system_error);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0] == std::errc::connection_refused);
}

TEST_CASE("a coroutine's alternative that fails or throws is counted") {
    World world;
    ScriptedOperation<int> op;
    op.fail_after(1ms, fail(Errc::unavailable));
    ScriptedOperation<int> other;
    other.fail_after(1ms, fail(Errc::not_found))
        .throw_after(1ms, std::runtime_error{"second"});
    Fallback fallback{[&] { return other(); }};
    Pipeline pipeline{fallback};
    CHECK(call(world, pipeline, op).error() == Errc::not_found);
    CHECK(fallback.snapshot().failed == 1);
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [&](CallContext&) { return op(); });
    });
    REQUIRE(thrown);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(thrown), "second", std::runtime_error);
    CHECK(fallback.snapshot().failed == 2);
}

TEST_CASE("a hedge in a pipeline takes the first answer, and the others have ended") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    Bulkhead bulkhead{{.limit = 2}};
    Pipeline pipeline{Deadline{10s}, hedge, bulkhead};
    ScriptedOperation<int> op;
    op.succeed_after(1s, 1).succeed_after(20ms, 2);
    CHECK(call(world, pipeline, op).value() == 2);
    CHECK(world.elapsed() == 120ms);
    CHECK(op.cancelled() == 1);
    CHECK(hedge.snapshot().wins == 1);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("attempts side by side have contexts of their own") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    Pipeline pipeline{hedge, Timeout{{.limit = 1s}}};
    ScriptedOperation<int> op;
    op.succeed_after(300ms, 1);
    std::vector<CallContext> contexts;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [&](CallContext& c) {
            contexts.push_back(c);
            return op();
        });
    });
    CHECK(!thrown);
    REQUIRE(contexts.size() == 2);
    CHECK(contexts[0].hedge == 0);
    CHECK(contexts[0].now == world.start);
    CHECK(contexts[0].deadline == world.start + 1s);
    CHECK(contexts[1].hedge == 1);
    CHECK(contexts[1].now == world.start + 100ms);
    CHECK(contexts[1].deadline == world.start + 1100ms);
    CHECK(contexts[1].attempt == 1);
}

TEST_CASE("the breaker inside a hedge sees each attempt, and nothing of the losers") {
    World world;
    RetryBudget budget{{}, world.start};
    Hedge hedge{kAfter100ms, budget};
    CircuitBreaker breaker{
        {.window = CountWindowOptions{}, .min_calls = 100, .consecutive_failures = 1}};
    Pipeline pipeline{hedge, breaker};
    ScriptedOperation<int> op;
    op.hang().succeed_after(20ms, 2);
    CHECK(call(world, pipeline, op).value() == 2);
    CHECK(breaker.snapshot(world.time.now()).counts.calls == 1);
    CHECK(breaker.snapshot(world.time.now()).counts.failures == 0);
}

TEST_CASE("a local refusal of the second attempt leaves the first one to answer") {
    World world;
    RetryBudget budget{
        {.ratio = 0, .min_per_sec = 0, .cap = 70, .initial = 70}, world.start};
    Hedge hedge{kAfter100ms, budget};
    Bulkhead bulkhead{{.limit = 1, .queue = 0}};
    Pipeline pipeline{hedge, bulkhead};
    ScriptedOperation<int> op;
    op.succeed_after(300ms, 1);
    CHECK(call(world, pipeline, op).value() == 1);
    CHECK(op.calls() == 1);
    INFO("what was refused cost nothing");
    CHECK(budget.snapshot(world.time.now()).available == 70);
}

TEST_CASE("a retry around a hedge repeats what failed in all attempts") {
    World world;
    RetryBudget budget{{}, world.start};
    HedgeOptions options = kAfter100ms;
    options.deposit = false;
    Hedge hedge{options, budget};
    Pipeline pipeline{
        Deadline{10s},
        Retry{{.attempts = 2, .base = 1s, .jitter = Jitter::none}, &budget},
        hedge};
    ScriptedOperation<int> op;
    op.fail_after(10ms, fail(Errc::unavailable)).succeed_after(10ms, 2);
    CHECK(call(world, pipeline, op).value() == 2);
    CHECK(world.elapsed() == 10ms + 1s + 10ms);
}

TEST_CASE("chaos in a coroutine waits in its time, and fails calls as the peer would") {
    World world;
    CircuitBreaker breaker{
        {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 1}};
    Chaos<> chaos{{.latency_rate = 1, .latency = 30ms}};
    Pipeline pipeline{breaker, chaos};
    ScriptedOperation<int> op;
    op.succeed_after(1ms, 1);
    CHECK(call(world, pipeline, op).value() == 1);
    CHECK(world.elapsed() == 31ms);
    chaos.reconfigure({.fault_rate = 1, .latency_rate = 1, .latency = 30ms});
    CHECK(call(world, pipeline, op).error() == Errc::unavailable);
    CHECK(world.elapsed() == 61ms);
    CHECK(op.calls() == 1);
    CHECK(breaker.state(world.time.now()) == CircuitState::open);
}

TEST_CASE("chaos in a coroutine puts its outcome in the place of an answer") {
    World world;
    Chaos chaos{{.outcome_rate = 1}, [] { return 99; }};
    Pipeline pipeline{chaos};
    ScriptedOperation<int> op;
    CHECK(call(world, pipeline, op).value() == 99);
    CHECK(op.calls() == 0);
}

TEST_CASE("a timeout ends the wait that chaos injects") {
    World world;
    Chaos<> chaos{{.latency_rate = 1, .latency = 1h}};
    Pipeline pipeline{Timeout{{.limit = 1s}}, chaos};
    ScriptedOperation<int> op;
    CHECK(call(world, pipeline, op).error() == Errc::timed_out);
    CHECK(world.elapsed() == 1s);
    CHECK(op.calls() == 0);
}

TEST_CASE("cancelled anywhere, fallback, hedge and chaos leave nothing behind") {
    std::optional<RetryBudget> budget;
    std::optional<Hedge<>> hedge;
    std::optional<Bulkhead<>> bulkhead;
    std::optional<ScriptedOperation<int>> op;
    std::optional<ScriptedOperation<int>> other;
    const auto scenario = [&](testing::VirtualTime& time) -> net::awaitable<void> {
        hedge.reset();
        budget.emplace(RetryBudgetOptions{}, time.now());
        hedge.emplace(kAfter100ms, *budget);
        bulkhead.emplace(BulkheadOptions{.limit = 2});
        op.emplace();
        op->fail_after(300ms, fail(Errc::unavailable));
        other.emplace();
        other->succeed_after(5ms, 2);
        Fallback fallback{[&] { return (*other)(); }};
        Chaos<> chaos{{.latency_rate = 1, .latency = 10ms}};
        Pipeline pipeline{
            fallback,
            Deadline{10s},
            Retry{{.attempts = 2, .base = 10ms, .idempotent = true}, &*budget},
            *hedge,
            *bulkhead,
            Timeout{{.limit = 2s}},
            chaos};
        (void)co_await co_run(pipeline, [&](CallContext&) { return (*op)(); });
    };
    const auto check = [&](const testing::CancelledRun& run) {
        CAPTURE(static_cast<int>(run.blow));
        CAPTURE(run.step);
        CHECK(op->in_flight() == 0);
        CHECK(other->in_flight() == 0);
        CHECK(bulkhead->snapshot().in_use == 0);
        if (run.blow == testing::Blow::none) {
            CHECK(!run.error);
            CHECK(other->calls() == 1);
        }
        if (run.blow != testing::Blow::destroy) CHECK(run.waits_left == 0);
    };
    const testing::CancelReport report = testing::cancel_everywhere(scenario, check);
    CHECK(report.points > 100);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
}
