// SPDX-License-Identifier: MIT
// Changes of a bucket whose clock readings overtook one another.
#include <resilience/keyed_limiter.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr int rounds = 100;

}  // namespace

TEST_CASE("P8: changes to and fro, every other one late, make no tokens") {
    constexpr TokenBucketOptions slow{.tokens = 1, .period = 1s, .burst = 1000};
    constexpr TokenBucketOptions fast{.tokens = 1000, .period = 1s, .burst = 1000};
    TokenBucket bucket{slow};
    REQUIRE(bucket.try_acquire(1000, t0));
    bucket.reconfigure(fast, TokenCarry::as_is, t0);
    bucket.reconfigure(slow, TokenCarry::as_is, t0);
    for (int i = 0; i < rounds; ++i) {
        bucket.reconfigure(fast, TokenCarry::as_is, t0 - 100ms);
        bucket.reconfigure(slow, TokenCarry::as_is, t0);
        CHECK_FALSE(bucket.try_acquire(1, t0));
    }
    CHECK(bucket.try_acquire(1, t0 + 1s));
}

TEST_CASE("P8: changes to and fro, every other one late, start nobody early") {
    constexpr LeakyBucketOptions slow{.units = 1, .period = 1s, .capacity = 10};
    constexpr LeakyBucketOptions fast{.units = 1000, .period = 1s, .capacity = 10};
    LeakyBucket bucket{slow};
    REQUIRE(bucket.try_acquire(1, t0));
    bucket.reconfigure(fast, t0);
    bucket.reconfigure(slow, t0);
    for (int i = 0; i < rounds; ++i) {
        bucket.reconfigure(fast, t0 - 100ms);
        bucket.reconfigure(slow, t0);
        CHECK_FALSE(bucket.try_acquire(1, t0));
    }
    CHECK(bucket.try_acquire(1, t0 + 1s));
}

TEST_CASE("P8: changes of a table to and fro, every other one late, make no tokens") {
    constexpr TokenBucketOptions slow{.tokens = 1, .period = 1s, .burst = 1000};
    constexpr TokenBucketOptions fast{.tokens = 10, .period = 1s, .burst = 1000};
    KeyedLimiter limiter{{.limit = slow, .keys = 10}, t0};
    auto options = limiter.options();
    const auto change = [&](const TokenBucketOptions& limit, TimePoint now) {
        options.limit = limit;
        limiter.reconfigure(options, now);
    };
    REQUIRE(limiter.try_acquire("ann", 1000, t0));
    change(fast, t0);
    change(slow, t0);
    for (int i = 0; i < rounds; ++i) {
        change(fast, t0 - 1s);
        change(slow, t0);
        CHECK_FALSE(limiter.try_acquire("ann", 1, t0));
    }
}
