// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/hedge.hpp>
#include <resilience/registry.hpp>
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

/// Changes a policy to and fro until it refuses, and sees that it keeps what it has.
/// @param options `options(n)` are those of the n-th change, of which no two in turn are
///     the same.
template <class Policy, class Options>
void change_until_refused(Policy& policy, Options options) {
    std::uint32_t changes = 0;
    try {
        for (; changes < 100'000; ++changes) policy.reconfigure(options(changes));
    } catch (const std::length_error&) {
    }
    CHECK(changes == 1000);
    CHECK(policy.snapshot().reconfigured == 1000);
    // What is in force is no change, also now.
    CHECK_NOTHROW(policy.reconfigure(options(999)));
    CHECK_THROWS_AS(policy.reconfigure(options(1000)), std::length_error);
    CHECK_NOTHROW(policy.reconfigure(options(999)));
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

template <class Make, class Options>
void check(Make make, Options options) {
    auto first = make();
    change_to_the_same(*first, options);
    auto second = make();
    change_until_refused(*second, options);
}

}  // namespace

TEST_CASE("what a policy keeps of replaced options is bounded, and nothing if equal") {
    SUBCASE("a circuit breaker") {
        check(
            [] { return std::make_unique<CircuitBreaker<>>(); },
            [](std::uint32_t n) {
                CircuitBreakerOptions options;
                options.window = CountWindowOptions{.calls = 30 + n % 2};
                return options;
            }
        );
    }
    SUBCASE("a retry budget") {
        check(
            [] { return std::make_unique<RetryBudget>(); },
            [](std::uint32_t n) { return RetryBudgetOptions{.cap = 300 + n % 2}; }
        );
    }
    SUBCASE("a throttle") {
        check(
            [] { return std::make_unique<Throttle<>>(); },
            [](std::uint32_t n) { return ThrottleOptions{.grace = 5 + n % 2}; }
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
                return HedgeOptions{.attempts = 3 + n % 2, .idempotent = true};
            }
        );
    }
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
