// SPDX-License-Identifier: MIT
#include <resilience/retry_policy.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

using Delays = std::vector<nanoseconds>;

Delays delays(const RetryPolicy& policy) {
    Delays all;
    for (std::uint32_t failed = 1;; ++failed) {
        const auto next = policy.next(failed, 0);
        if (!next) return all;
        all.push_back(*next);
    }
}

// The field that the policy refuses, or nothing.
std::string refused(const RetryOptions& options) {
    try {
        RetryPolicy{options};
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

}  // namespace

TEST_CASE("I8: three retries wait 500 ms, 1 s and 2 s without jitter") {
    const RetryPolicy policy{RetryOptions::integration_http()};
    CHECK(delays(policy) == Delays{500ms, 1s, 2s});
    CHECK(policy.delay(1, ~0ULL) == 500ms);
}

TEST_CASE("F7: five attempts from 100 ms doubling to at most 30 s, with jitter") {
    RetryOptions options = RetryOptions::mail_delivery();
    CHECK(options.attempts == 5);
    CHECK(options.jitter == Jitter::full);
    CHECK(options.cap == 30s);
    options.jitter = Jitter::none;
    CHECK(delays(RetryPolicy{options}) == Delays{100ms, 200ms, 400ms, 800ms});
}

TEST_CASE("O7: one attempt is never repeated") {
    CHECK_FALSE(RetryPolicy{{.attempts = 1}}.next(1, 0).has_value());
}

TEST_CASE("O7: the back-off ascends to its cap and stays there (failsafe-go#23)") {
    const RetryPolicy policy{
        {.base = 100ms, .factor = 3, .cap = 7s, .jitter = Jitter::none}};
    const Delays golden{100ms, 300ms, 900ms, 2700ms, 7s, 7s};
    for (std::uint32_t failed = 1; failed <= golden.size(); ++failed) {
        CHECK(policy.delay(failed, 0) == golden[failed - 1]);
    }
    CHECK(policy.delay(std::numeric_limits<std::uint32_t>::max(), 0) == 7s);
}

TEST_CASE("factors that are no whole numbers are as exact as nanoseconds are") {
    const auto nth = [](double factor, std::uint32_t failed) {
        const RetryPolicy policy{
            {.base = 100ms, .factor = factor, .cap = 1h, .jitter = Jitter::none}};
        return policy.delay(failed, 0);
    };
    CHECK(nth(1.2, 2) == 120ms);
    CHECK(nth(1.5, 4) == 337'500us);
    CHECK(nth(1.02, 2) == 102ms);
    CHECK(nth(1.02, 50) > 263'880us);
    CHECK(nth(1.02, 50) < 263'882us);
    CHECK(nth(1.0, 1'000'000) == 100ms);
    // One and a half times this is 2^33 - 1/2, which is rounded up into another word.
    const RetryPolicy carries{
        {.base = 5'726'623'061ns, .factor = 1.5, .jitter = Jitter::none}};
    CHECK(carries.delay(2, 0) == 8'589'934'592ns);
}

TEST_CASE("a nanosecond grows too, whatever it is multiplied by") {
    const RetryPolicy policy{
        {.base = 1ns, .factor = 1.01, .cap = 40ns, .jitter = Jitter::none}};
    CHECK(policy.delay(2, 0) == 2ns);
    CHECK(policy.delay(40, 0) == 40ns);
}

TEST_CASE("no number of attempts overflows, up to 2^31 and beyond (Polly#2163)") {
    constexpr nanoseconds kLongest = nanoseconds::max();
    for (const double factor : {1.0, 1.01, 2.0, 9.7, 1000.0}) {
        for (const Jitter jitter :
             {Jitter::none, Jitter::full, Jitter::equal, Jitter::decorrelated}) {
            const RetryPolicy policy{
                {.attempts = (1u << 31) - 1,
                 .base = 1s,
                 .factor = factor,
                 .cap = kLongest,
                 .jitter = jitter}};
            CAPTURE(factor);
            for (const std::uint32_t failed :
                 {1u, 2u, 63u, 64u, 1023u, 1024u, 5000u, 1u << 30, (1u << 31) - 2}) {
                for (const std::uint64_t random : {std::uint64_t{0}, ~std::uint64_t{0}}) {
                    const auto delay = policy.next(failed, random);
                    REQUIRE(delay.has_value());
                    CHECK(delay->count() >= 0);
                }
            }
            CHECK_FALSE(policy.next((1u << 31) - 1, 0).has_value());
            CHECK(policy.delay(~std::uint32_t{0}, 1).count() >= 0);
        }
    }
    const RetryPolicy steep{
        {.base = 1ns, .factor = 1000, .cap = kLongest, .jitter = Jitter::none}};
    CHECK(steep.delay(7, 0) == nanoseconds{1'000'000'000'000'000'000});
    CHECK(steep.delay(8, 0) == kLongest);
}

TEST_CASE("a wait is computed at compile time as well") {
    constexpr RetryPolicy policy{{.jitter = Jitter::none}};
    static_assert(policy.delay(3, 0) == 400ms);
}

TEST_CASE("O7: full jitter takes of the whole back-off, equal jitter of its upper half") {
    const RetryPolicy full{{.base = 1s, .factor = 1, .cap = 1s, .jitter = Jitter::full}};
    const RetryPolicy equal{
        {.base = 1s, .factor = 1, .cap = 1s, .jitter = Jitter::equal}};
    CHECK(full.delay(1, 0) == 0ns);
    CHECK(full.delay(1, 1ULL << 63) == 500ms);
    CHECK(full.delay(1, ~0ULL) == 1s - 1ns);
    CHECK(equal.delay(1, 0) == 1s);
    CHECK(equal.delay(1, 1ULL << 63) == 750ms);
    CHECK(equal.delay(1, ~0ULL) == 500ms + 1ns);
}

TEST_CASE("O7: the same random numbers give the same delays") {
    for (const Jitter jitter : {Jitter::full, Jitter::equal, Jitter::decorrelated}) {
        const RetryPolicy policy{{.jitter = jitter}};
        Random first{42};
        Random second{42};
        for (std::uint32_t failed = 1; failed < 50; ++failed) {
            CHECK(policy.delay(failed, first()) == policy.delay(failed, second()));
        }
    }
}

TEST_CASE("a throttled call starts from a base of its own, within the same cap") {
    const RetryPolicy policy{{.base = 50ms, .cap = 3s, .jitter = Jitter::none}};
    CHECK(policy.delay(1, Verdict::transient, 0s, 0) == 50ms);
    CHECK(policy.delay(1, Verdict::throttled, 0s, 0) == 1s);
    CHECK(policy.delay(2, Verdict::throttled, 0s, 0) == 2s);
    CHECK(policy.delay(3, Verdict::throttled, 0s, 0) == 3s);
    const RetryPolicy low{{.base = 1ms, .cap = 5ms, .jitter = Jitter::none}};
    CHECK(low.delay(1, Verdict::throttled, 0s, 0) == 5ms);
}

TEST_CASE("each retry option out of range is named") {
    using Limits = std::numeric_limits<double>;
    CHECK(refused({}) == "");
    CHECK(refused({.attempts = 0}) == "RetryOptions::attempts");
    CHECK(refused({.attempts = 1u << 31}) == "RetryOptions::attempts");
    CHECK(refused({.attempts = (1u << 31) - 1}) == "");
    CHECK(refused({.base = 0s}) == "RetryOptions::base");
    CHECK(refused({.base = -1ns}) == "RetryOptions::base");
    for (const double factor :
         {0.0, 0.5, -2.0, 1.005, 1000.5, Limits::infinity(), Limits::quiet_NaN()}) {
        CHECK(refused({.factor = factor}) == "RetryOptions::factor");
    }
    CHECK(refused({.factor = 1.0}) == "");
    CHECK(refused({.factor = 1.01}) == "");
    CHECK(refused({.factor = 1000.0}) == "");
    CHECK(refused({.base = 2s, .cap = 1s}) == "RetryOptions::cap");
    CHECK(refused({.base = 2s, .cap = 2s}) == "");
    CHECK(refused({.jitter = static_cast<Jitter>(4)}) == "RetryOptions::jitter");
    CHECK(refused({.throttle_base = 0s}) == "RetryOptions::throttle_base");
    CHECK(refused({.max_hint = 0s}) == "RetryOptions::max_hint");
    CHECK(refused(RetryOptions::integration_http()) == "");
    CHECK(refused(RetryOptions::mail_delivery()) == "");
}
