// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/hedge.hpp>
#include <resilience/registry.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/throttle.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

/// Changes a policy until it refuses, and sees that it keeps what it has.
/// @param options `options(n)` are those of the n-th change, of which none puts in force
///     again what was before.
template <class Policy, class Options>
void change_until_refused(Policy& policy, Options options) {
    std::uint32_t changes = 0;
    try {
        for (; changes < 2'000; ++changes) policy.reconfigure(options(changes));
    } catch (const std::length_error&) {
    }
    CHECK(changes == 1000);
    CHECK(policy.snapshot().reconfigured == 1000);
    // What is in force is no change, also now.
    CHECK_NOTHROW(policy.reconfigure(options(999)));
    CHECK_THROWS_AS(policy.reconfigure(options(1000)), std::length_error);
    CHECK(policy.options() == options(999));
}

template <class Policy, class Options>
void change_to_the_same(Policy& policy, Options options) {
    policy.reconfigure(options(0));
    const std::uint32_t once = policy.snapshot().reconfigured;
    CHECK(once == 1);
    for (int i = 0; i < 5; ++i) policy.reconfigure(options(0));
    policy.reconfigure(policy.options());
    CHECK(policy.snapshot().reconfigured == once);
}

/// Changes a policy to and fro, more often than anything may be kept.
template <class Policy, class Options>
void change_to_and_fro(Policy& policy, Options options) {
    const auto first = policy.options();
    bool in_force = true;
    for (std::uint32_t i = 0; i < 2000; ++i) {
        policy.reconfigure(options(i % 2));
        in_force = in_force && policy.options() == options(i % 2);
        policy.reconfigure(first);
        in_force = in_force && policy.options() == first;
    }
    CHECK(in_force);
    CHECK(policy.snapshot().reconfigured == 2);
}

template <class Make, class Options>
void check(Make make, Options options) {
    change_to_the_same(*make(), options);
    change_to_and_fro(*make(), options);
    auto full = make();
    change_until_refused(*full, options);
    CHECK_NOTHROW(full->reconfigure(options(3)));
    CHECK(full->options() == options(3));
}

}  // namespace

namespace resilience {

/// But for `trip_if`, as far as it is changed here.
static bool operator==(const CircuitBreakerOptions& a, const CircuitBreakerOptions& b) {
    return a.window == b.window && a.open_for == b.open_for;
}

}  // namespace resilience

TEST_CASE("what a policy keeps of replaced options is bounded, and nothing if it has them"
) {
    SUBCASE("a circuit breaker") {
        check(
            [] { return std::make_unique<CircuitBreaker<>>(); },
            [](std::uint32_t n) {
                return CircuitBreakerOptions{.open_for = 1s + n * 1ms};
            }
        );
    }
    SUBCASE("a retry budget") {
        check(
            [] { return std::make_unique<RetryBudget>(); },
            [](std::uint32_t n) { return RetryBudgetOptions{.cap = 501 + n}; }
        );
    }
    SUBCASE("a retry") {
        check(
            [] { return std::make_unique<Retry<>>(); },
            [](std::uint32_t n) { return RetryOptions{.attempts = 5 + n}; }
        );
    }
    SUBCASE("a throttle") {
        check(
            [] { return std::make_unique<Throttle<>>(); },
            [](std::uint32_t n) { return ThrottleOptions{.grace = 21 + n}; }
        );
    }
    SUBCASE("a hedge") {
        RetryBudget budget;
        check(
            [&] {
                return std::make_unique<Hedge<>>(
                    HedgeOptions{.idempotent = true}, budget
                );
            },
            [](std::uint32_t n) {
                return HedgeOptions{.delay = 1s + n * 1ms, .idempotent = true};
            }
        );
    }
}

TEST_CASE("options by which a policy counts anew are replaced by each change of them") {
    SUBCASE("a circuit breaker") {
        CircuitBreaker<> breaker;
        change_until_refused(breaker, [](std::uint32_t n) {
            return CircuitBreakerOptions{
                .window = CountWindowOptions{.calls = 30 + n % 2}};
        });
    }
    SUBCASE("a retry budget") {
        TimePoint now{1h};
        RetryBudget budget{{}, now};
        std::uint32_t changes = 0;
        for (; changes < 1000; ++changes) {
            now += 1s;
            budget.reconfigure({.min_per_sec = changes % 2 == 0 ? 3.0 : 4.0}, now);
        }
        CHECK(budget.snapshot(now).reconfigured == 1000);
        CHECK_THROWS_AS(
            budget.reconfigure({.min_per_sec = 3.0}, now + 1s), std::length_error
        );
    }
    SUBCASE("a throttle") {
        Throttle<> throttle;
        change_until_refused(throttle, [](std::uint32_t n) {
            return ThrottleOptions{.window = std::chrono::seconds{60 + n % 2}};
        });
    }
}

TEST_CASE("a breaker goes back to options it had, never to a window that was replaced") {
    const TimePoint t0{1h};
    const CircuitBreakerOptions first{.window = CountWindowOptions{.calls = 50}};
    CircuitBreakerOptions longer = first;
    longer.open_for = 1min;
    CircuitBreaker breaker{first};
    breaker.reconfigure(longer);
    breaker.reconfigure({.window = CountWindowOptions{.calls = 20}});
    breaker.reconfigure(first);
    breaker.try_acquire(t0).done(Verdict::transient, t0);
    breaker.reconfigure(longer);
    CHECK(breaker.snapshot(t0).counts.failures == 1);
    CHECK(breaker.options().open_for == 1min);
    breaker.reconfigure(first);
    CHECK(breaker.snapshot(t0).counts.failures == 1);
    CHECK(breaker.snapshot(t0).reconfigured == 4);
}

TEST_CASE("a throttle goes back to a window it had with nothing counted yet") {
    const TimePoint t0{1h};
    Throttle<> throttle{{}, {}, t0};
    throttle.try_acquire(t0).done(Verdict::transient, t0);
    CHECK(throttle.snapshot(t0).requests == 1);
    throttle.reconfigure({.window = 7s}, t0);
    throttle.reconfigure({}, t0);
    CHECK(throttle.snapshot(t0).requests == 0);
}

TEST_CASE("options in force are no change, whatever the time") {
    const TimePoint t0{1h};
    const RetryBudgetOptions options{.min_per_sec = 10, .initial = 100};
    RetryBudget budget{options, t0};
    const double available = budget.snapshot(t0).available;
    budget.reconfigure(options, t0 + 1000h);
    CHECK(budget.snapshot(t0).available == available);
}

TEST_CASE("options that are refused change nothing of what was saved up") {
    const TimePoint t0{1h};
    RetryBudget budget{{.initial = 100}, t0};
    for (std::uint32_t i = 0; i < 1000; ++i) budget.reconfigure({.cap = 501 + i}, t0);
    const double available = budget.snapshot(t0).available;
    CHECK_THROWS_AS(budget.reconfigure({.cap = 100}, t0 + 1000h), std::length_error);
    CHECK(budget.snapshot(t0).available == available);
}

TEST_CASE("a change of a breaker in any field is one") {
    CircuitBreaker<> breaker;
    CircuitBreakerOptions options;
    std::uint32_t changes = 0;
    const auto changed = [&](auto change) {
        change(options);
        breaker.reconfigure(options);
        return breaker.snapshot().reconfigured == ++changes;
    };
    using Options = CircuitBreakerOptions;
    CHECK(changed([](Options& o) { o.failure_ratio = 0.6; }));
    CHECK(changed([](Options& o) { o.slow_after = 1s; }));
    CHECK(changed([](Options& o) { o.min_calls = 5; }));
    CHECK(changed([](Options& o) { o.consecutive_failures = 9; }));
    CHECK(changed([](Options& o) { o.open_for = 1s; }));
    CHECK(changed([](Options& o) { o.probes = 5; }));
    CHECK(changed([](Options& o) { o.slow_start = 1s; }));
    CHECK(changed([](Options& o) { o.window = TimeWindowOptions{.length = 1s}; }));
}

TEST_CASE("a registry shows how often the options of a policy were replaced") {
    Registry registry;
    auto budget = std::make_shared<RetryBudget>();
    REQUIRE_FALSE(registry.add("retries", budget));
    REQUIRE(registry.reconfigure<RetryBudget>("retries", {.ratio = 0.3}));
    bool seen = false;
    for (const PolicySnapshot& policy : registry.snapshot()) {
        for (const Reading& reading : policy.readings) {
            if (std::string{reading.name} != "reconfigured_total") continue;
            CHECK(reading.value == 1);
            seen = true;
        }
    }
    CHECK(seen);
}
