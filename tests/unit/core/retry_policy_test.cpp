// SPDX-License-Identifier: MIT
#include <resilience/retry_policy.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

std::vector<std::chrono::nanoseconds> delays(const RetryPolicy& policy) {
    std::vector<std::chrono::nanoseconds> all;
    for (std::uint32_t failed = 1;; ++failed) {
        const auto next = policy.next(failed, 0);
        if (!next) return all;
        all.push_back(*next);
    }
}

}  // namespace

TEST_CASE("I8: three retries of 500 ms doubled wait 500 ms, 1 s and 2 s without jitter") {
    const RetryPolicy policy{
        {.attempts = 4, .base = 500ms, .factor = 2, .cap = 30s, .jitter = Jitter::none}};
    CHECK(delays(policy) == std::vector<std::chrono::nanoseconds>{500ms, 1s, 2s});
}

TEST_CASE("F7: five attempts from 100 ms doubled wait four times") {
    const RetryPolicy policy{{.attempts = 5, .base = 100ms, .jitter = Jitter::none}};
    CHECK(
        delays(policy) ==
        std::vector<std::chrono::nanoseconds>{100ms, 200ms, 400ms, 800ms}
    );
}

TEST_CASE("O7: one attempt is never repeated") {
    CHECK_FALSE(RetryPolicy{{.attempts = 1}}.next(1, 0).has_value());
}

TEST_CASE("O7: the back-off ascends to its cap and stays there for any count of failures"
) {
    const RetryPolicy policy{
        {.base = 100ms, .factor = 3, .cap = 7s, .jitter = Jitter::none}};
    std::chrono::nanoseconds last{0};
    for (std::uint32_t failed = 1; failed < 5000; ++failed) {
        const auto delay = policy.delay(failed, 0);
        CHECK(delay >= last);
        CHECK(delay <= 7s);
        last = delay;
    }
    CHECK(last == 7s);
    CHECK(policy.delay(std::numeric_limits<std::uint32_t>::max(), 0) == 7s);
    const RetryPolicy longest{
        {.base = 1ns,
         .factor = 1e300,
         .cap = std::chrono::nanoseconds::max(),
         .jitter = Jitter::none}};
    CHECK(longest.delay(5, 0) == std::chrono::nanoseconds::max());
}

TEST_CASE(
    "O7: full jitter spreads over the whole back-off, equal jitter over its upper half"
) {
    const RetryPolicy full{{.base = 1s, .factor = 1, .cap = 1s, .jitter = Jitter::full}};
    const RetryPolicy equal{
        {.base = 1s, .factor = 1, .cap = 1s, .jitter = Jitter::equal}};
    CHECK(full.delay(1, 0) == 0ns);
    CHECK(full.delay(1, ~0ULL) > 999ms);
    CHECK(full.delay(1, ~0ULL) <= 1s);
    CHECK(equal.delay(1, 0) == 1s);
    CHECK(equal.delay(1, ~0ULL) >= 500ms);

    std::mt19937_64 random(7);
    double sum = 0;
    for (int i = 0; i < 10'000; ++i) {
        sum += std::chrono::duration<double>(full.delay(1, random())).count();
    }
    CHECK(sum / 10'000 == doctest::Approx(0.5).epsilon(0.02));
}

TEST_CASE("O7: the same random numbers give the same delays") {
    const RetryPolicy policy{{}};
    std::mt19937_64 first(42);
    std::mt19937_64 second(42);
    for (std::uint32_t failed = 1; failed < 50; ++failed) {
        CHECK(policy.delay(failed, first()) == policy.delay(failed, second()));
    }
}

TEST_CASE("a bad retry option is named") {
    CHECK_THROWS_WITH_AS(
        RetryPolicy{{.attempts = 0}},
        "attempts: must be at least 1",
        std::invalid_argument
    );
    CHECK_THROWS_WITH_AS(
        RetryPolicy{{.base = 0s}}, "base: must be positive", std::invalid_argument
    );
    CHECK_THROWS_WITH_AS(
        RetryPolicy{{.factor = 0.5}}, "factor: must be at least 1", std::invalid_argument
    );
    CHECK_THROWS_AS(
        RetryPolicy{{.factor = std::numeric_limits<double>::quiet_NaN()}},
        std::invalid_argument
    );
    const RetryOptions low_cap{.base = 2s, .cap = 1s};
    CHECK_THROWS_WITH_AS(
        RetryPolicy{low_cap}, "cap: must not be less than base", std::invalid_argument
    );
}
