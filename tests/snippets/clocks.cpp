// SPDX-License-Identifier: MIT
// The code of docs/clocks.md.
#include <resilience/clock.hpp>
#include <resilience/testing/manual_clock.hpp>
#include <resilience/token_bucket.hpp>
#include <resilience/tsc_clock.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using resilience::CoarseClock;
using resilience::TokenBucket;

TEST_CASE("docs/clocks.md: choose") {
    //[choose
    TokenBucket bucket{{.tokens = 1'000'000, .period = 1s, .burst = 100'000}};

    bucket.try_acquire();                       // reads steady_clock
    bucket.try_acquire(1, CoarseClock::now());  // up to 4 ms late, never early

    const resilience::TscClock clock;  // one for the program
    bucket.try_acquire(1, clock.now());
    //]
    CHECK(bucket.snapshot(resilience::TimePoint::max()).available == 100'000);
}

TEST_CASE("docs/clocks.md: test") {
    //[test
    resilience::testing::ManualClock clock;
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1}};
    CHECK(bucket.try_acquire(1, clock.now()));
    CHECK_FALSE(bucket.try_acquire(1, clock.now()));
    clock.advance(1h);
    CHECK(bucket.try_acquire(1, clock.now()));
    //]
}
