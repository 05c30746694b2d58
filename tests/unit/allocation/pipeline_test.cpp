// SPDX-License-Identifier: MIT
// Each allocation of a call on a thread fails once: whoever lent something has it back.
#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/fallback.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>

RESILIENCE_COUNT_ALLOCATIONS;

using namespace resilience;
using namespace std::chrono_literals;

TEST_CASE(
    "whatever allocation fails in a call on a thread, guards have back what they lent"
) {
    testing::ManualClock clock;
    Random random{1};
    RetryBudget budget{{.min_per_sec = 0, .cap = 500, .initial = 500}, clock.now()};
    CircuitBreaker<> breaker{
        {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 1000}};
    Bulkhead<> bulkhead{{.limit = 1}};
    AdaptiveLimit<> limit{{.initial = 1, .floor = 1, .ceiling = 1}, {}, clock.now()};
    Throttle<> throttle{{}, {}, clock.now()};
    TokenBucket bucket{{.tokens = 1000, .period = 1s, .burst = 1000}};
    const std::string text(100, 'x');
    Fallback fallback{[&](const FallbackCause&) { return Outcome<std::string>{text}; }};
    auto pipeline = Pipeline{
        fallback,
        Deadline{20s},
        Retry{{.attempts = 3, .base = 1s, .jitter = Jitter::none}, &budget},
        bucket,
        throttle,
        breaker,
        limit,
        bulkhead,
        Timeout{
            {.limit =
                 2s}}}.with(testing::VirtualEnvironment{clock, random});
    int answers = 0;
    const auto work = [&] {
        const Outcome<std::string> answer =
            pipeline.run([&](CallContext& context) -> Outcome<std::string> {
                if (context.attempt < 3) return fail(Errc::unavailable, text);
                throw std::string(text);
            });
        CHECK(answer.value() == text);
        ++answers;
    };
    const auto check = [&] {
        CHECK(bulkhead.snapshot().in_use == 0);
        CHECK(limit.snapshot().in_flight == 0);
        CHECK(breaker.state(clock.now()) == CircuitState::closed);
        const Outcome<std::string> next =
            pipeline.run([](CallContext&) { return Outcome<std::string>{"next"}; });
        CHECK(next.value() == "next");
        clock.advance(10s);
    };
    const std::uint64_t failed = testing::fail_each_allocation(work, check);
    CHECK(failed >= 3);
    CHECK(answers >= 1);
}
