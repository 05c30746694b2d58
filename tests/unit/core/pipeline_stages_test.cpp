// SPDX-License-Identifier: MIT
// Fallback, chaos and a bulkhead that is waited for as stages of a pipeline on a thread.
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/fallback.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/testing/virtual_environment.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

struct World {
    testing::ManualClock clock;
    Random random{1};

    testing::VirtualEnvironment environment() { return {clock, random}; }
};

/// Asks to stop as soon as somebody waits.
struct Impatience {
    void on(const BulkheadQueued&) noexcept {
        if (*stop) (*stop)->request_stop();
    }

    std::stop_source** stop;
};

/// Virtual time in which a slot comes back as soon as somebody has slept for it.
struct Freeing {
    static constexpr bool is_virtual = true;

    TimePoint now() const { return clock.now(); }
    std::uint64_t random() const { return 0; }
    bool sleep_until(TimePoint, const std::stop_token&) const noexcept {
        clock.advance(2h);
        std::move(slot).done();
        return true;
    }

    testing::ManualClock& clock;
    Bulkhead<>::Slot& slot;
};

Outcome<int> unavailable(CallContext&) { return fail(Errc::unavailable, "down"); }
Outcome<int> answer(CallContext&) { return 1; }

}  // namespace

TEST_CASE("a pipeline's fallback stands in for failures and for refusals") {
    CircuitBreaker breaker;
    Fallback fallback{42};
    Pipeline pipeline{breaker, fallback};
    CHECK(*pipeline.run(answer) == 1);
    CHECK(*pipeline.run(unavailable) == 42);
    breaker.force_open();
    CHECK(*pipeline.run(answer) == 42);
    CHECK(fallback.snapshot().used == 2);
    CHECK(fallback.snapshot().failed == 0);
}

TEST_CASE("a pipeline's fallback is told the failure, its code and what it says") {
    FallbackCause seen{};
    Pipeline pipeline{Fallback{[&](const FallbackCause& cause) {
        seen = cause;
        return 2;
    }}};
    CHECK(*pipeline.run(unavailable) == 2);
    CHECK(seen.failure == Errc::unavailable);
    CHECK(seen.failure.detail == "down");
    CHECK(seen.classification.verdict == Verdict::transient);

    const auto throws = [](CallContext&) -> Outcome<int> {
        throw std::system_error{make_error_code(std::errc::connection_refused)};
    };
    CHECK(*pipeline.run(throws) == 2);
    CHECK(seen.failure.code == std::errc::connection_refused);

    INFO("a plain value, whose refusals are an Outcome");
    CircuitBreaker breaker;
    breaker.force_open();
    Pipeline plain{breaker, Fallback{[&](const FallbackCause& cause) {
                       seen = cause;
                       return 3;
                   }}};
    CHECK(*plain.run([](CallContext&) { return 1; }) == 3);
    CHECK(seen.failure == Errc::circuit_open);
}

TEST_CASE("a pipeline's fallback follows the pipeline's classifier") {
    struct OddIsWrong {
        Classification operator()(const Outcome<int>& r) const {
            return {r && *r % 2 == 0 ? Verdict::success : Verdict::transient};
        }
        Classification operator()(const std::exception_ptr&) const { return {}; }
    };
    auto pipeline = Pipeline{Fallback{4}}.classified_by(OddIsWrong{});
    CHECK(*pipeline.run(answer) == 4);
    CHECK(*pipeline.run([](CallContext&) { return Outcome<int>{6}; }) == 6);
}

TEST_CASE("an alternative that fails or throws is counted, and is what the caller gets") {
    Fallback fails{[]() -> Outcome<int> { return fail(Errc::not_found); }};
    Pipeline first{fails};
    CHECK(first.run(unavailable).error() == Errc::not_found);
    CHECK(fails.snapshot().failed == 1);

    Fallback throws{[]() -> int { throw std::runtime_error{"second"}; }};
    Pipeline second{throws};
    CHECK_THROWS_WITH_AS((void)second.run(unavailable), "second", std::runtime_error);
    CHECK(throws.snapshot().failed == 1);
}

TEST_CASE("a pipeline's fallback may do its work without a value") {
    int used = 0;
    Pipeline pipeline{Fallback{[&] { ++used; }}};
    CHECK(pipeline.run([](CallContext&) -> void { throw 1; }).has_value());
    CHECK(used == 1);
}

TEST_CASE("a caller who asked to stop gets no alternative") {
    Fallback fallback{42};
    Pipeline pipeline{fallback};
    std::stop_source stop;
    const auto asks_to_stop = [&](CallContext& context) {
        stop.request_stop();
        return unavailable(context);
    };
    CHECK(pipeline.run(asks_to_stop, stop.get_token()).error() == Errc::unavailable);
    CHECK(fallback.snapshot().used == 0);
}

TEST_CASE("a caller who asked to stop gets no alternative, whatever is selected") {
    Fallback fallback{42, [](const FallbackCause&) { return true; }};
    Pipeline pipeline{fallback};
    std::stop_source stop;
    const auto stops = [&](CallContext& c) {
        stop.request_stop();
        return unavailable(c);
    };
    CHECK(pipeline.run(stops, stop.get_token()).error() == Errc::unavailable);
    CHECK(fallback.snapshot().used == 0);
}

TEST_CASE("chaos fails calls as the peer would: the breaker and the retry see it") {
    World world;
    CircuitBreaker breaker{
        {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 3}};
    Chaos<> chaos{{.fault_rate = 1}};
    auto pipeline = Pipeline{Deadline{1h}, Retry{{.attempts = 3}}, breaker, chaos}.with(
        world.environment()
    );
    int calls = 0;
    const auto result = pipeline.run([&](CallContext&) { return ++calls; });
    CHECK(result.error() == Errc::unavailable);
    CHECK(result.error().detail == "injected by chaos");
    CHECK(calls == 0);
    CHECK(chaos.snapshot().faults == 3);
    CHECK(breaker.state(world.clock.now()) == CircuitState::open);
}

TEST_CASE("chaos fails an operation that returns a code by its code") {
    Chaos<> chaos{{.fault_rate = 1, .fault = Errc::connection_lost}};
    Pipeline pipeline{chaos};
    const std::error_code code =
        pipeline.run([](CallContext&) { return std::error_code{}; });
    CHECK(code == make_error_code(Errc::connection_lost));
}

TEST_CASE(
    "the wait that chaos injects is sleep of the environment, and slowness of the peer"
) {
    World world;
    CircuitBreaker breaker{
        {.window = CountWindowOptions{.calls = 1},
         .failure_ratio = 0,
         .slow_ratio = 1,
         .slow_after = 1s,
         .min_calls = 1}};
    Chaos<> chaos{{.latency_rate = 1, .latency = 2s}};
    auto pipeline = Pipeline{breaker, chaos}.with(world.environment());
    const TimePoint start = world.clock.now();
    CHECK(pipeline
              .run([&](CallContext& c) {
                  CHECK(c.now == start + 2s);
                  return 1;
              })
              .has_value());
    CHECK(world.clock.now() == start + 2s);
    CHECK(breaker.state(world.clock.now()) == CircuitState::open);
}

TEST_CASE("a request to stop ends the wait that chaos injects, and the call") {
    World world;
    Chaos<> chaos{{.latency_rate = 1, .latency = 1h}};
    auto pipeline = Pipeline{chaos}.with(world.environment());
    std::stop_source stop;
    stop.request_stop();
    const TimePoint start = world.clock.now();
    CHECK(pipeline.run(answer, stop.get_token()).error() == Errc::cancelled);
    CHECK(world.clock.now() == start);
}

TEST_CASE("a request to stop while chaos waits ends the call before it is made") {
    struct Interrupted {
        TimePoint now() const { return TimePoint{1h}; }
        std::uint64_t random() const { return 0; }
        bool sleep_until(TimePoint, const std::stop_token&) const { return false; }
    };
    Chaos<> chaos{{.latency_rate = 1, .latency = 1h}};
    auto pipeline = Pipeline{chaos}.with(Interrupted{});
    int calls = 0;
    const Outcome<int> end = pipeline.run([&](CallContext& c) {
        ++calls;
        return answer(c);
    });
    CHECK(end.error() == Errc::cancelled);
    CHECK(calls == 0);
}

TEST_CASE("chaos puts an outcome in the place of an answer, and it is judged like one") {
    World world;
    const auto outcome = [] { return Outcome<int>{fail(Errc::unavailable)}; };
    Chaos chaos{{.outcome_rate = 1}, outcome};
    auto pipeline =
        Pipeline{Deadline{1h}, Retry{{.attempts = 4}}, chaos}.with(world.environment());
    CHECK(pipeline.run(answer).error() == Errc::unavailable);
    CHECK(chaos.snapshot().outcomes == 4);
    chaos.enable(false);
    CHECK(*pipeline.run(answer) == 1);
}

TEST_CASE("a wait for a slot is sleep of a virtual environment") {
    World world;
    std::stop_source* patience = nullptr;
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 24h}, Impatience{&patience}};
    auto pipeline = Pipeline{Deadline{20h}, bulkhead}.with(world.environment());
    auto slot = bulkhead.try_acquire();
    const TimePoint start = world.clock.now();
    std::stop_source stop;
    SUBCASE("that ends at the deadline of the call") {
        CHECK(pipeline.run(answer).error() == Errc::bulkhead_full);
        CHECK(world.clock.now() == start + 20h);
    }
    SUBCASE("that ends at the longest wait") {
        bulkhead.reconfigure({.limit = 1, .queue = 1, .max_wait = 3h});
        CHECK(pipeline.run(answer).error() == Errc::bulkhead_full);
        CHECK(world.clock.now() == start + 3h);
    }
    SUBCASE("of which there is none where nobody may wait") {
        bulkhead.reconfigure({.limit = 1, .queue = 0});
        CHECK(pipeline.run(answer).error() == Errc::bulkhead_full);
        CHECK(world.clock.now() == start);
    }
    SUBCASE("that a request to stop ends") {
        patience = &stop;
        CHECK(pipeline.run(answer, stop.get_token()).error() == Errc::cancelled);
        CHECK(world.clock.now() == start);
    }
    CHECK(bulkhead.snapshot().waiting == 0);
    std::move(slot).done();
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(pipeline.run(answer).has_value());
}

TEST_CASE("5.7: a wait for a slot is no time that the peer took") {
    testing::ManualClock clock;
    CircuitBreaker breaker{{.slow_ratio = 0.5, .slow_after = 1h, .min_calls = 1}};
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 24h}};
    auto slot = bulkhead.try_acquire();
    auto pipeline = Pipeline{breaker, bulkhead}.with(Freeing{clock, slot});
    const auto lasts = [&](std::chrono::nanoseconds time) {
        return [&clock, time](CallContext&) -> Outcome<int> {
            clock.advance(time);
            return 1;
        };
    };
    SUBCASE("quick") {
        CHECK(*pipeline.run(lasts(59min)) == 1);
        CHECK(breaker.state(clock.now()) == CircuitState::closed);
    }
    SUBCASE("slow") {
        CHECK(*pipeline.run(lasts(61min)) == 1);
        CHECK(breaker.state(clock.now()) == CircuitState::open);
    }
}
