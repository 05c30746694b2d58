// SPDX-License-Identifier: MIT
// The code of docs/windows.md.
#include <resilience/fixed_window.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/sliding_window.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using resilience::Admission;
using resilience::FixedWindow;
using resilience::LeakyBucket;
using resilience::Reservation;
using resilience::SlidingWindow;
using resilience::TimePoint;

TEST_CASE("docs/windows.md: sliding") {
    //[sliding
    SlidingWindow window{{.limit = 10, .window = 1s}};
    const TimePoint second{1h};
    CHECK(window.try_acquire(10, second + 900ms));
    // Half of the second before still counts.
    CHECK(window.snapshot(second + 1500ms).available == 5);
    CHECK(window.try_acquire(8, second + 1500ms) == Admission::refuse(300ms));
    //]
}

TEST_CASE("docs/windows.md: fixed") {
    //[fixed
    using namespace std::chrono;
    const auto midnight = floor<days>(system_clock::now());
    FixedWindow quota{
        {.limit = 1'000'000,
         .window = days{1},
         .offset = resilience::calendar_offset(midnight)}};
    const auto left = quota.snapshot();  // available, and how long until it is more
    //]
    CHECK(left.available == 1'000'000);
    CHECK(quota.try_acquire(1'000'000));
    CHECK(quota.snapshot().until_full <= 24h);
}

TEST_CASE("docs/windows.md: leaky") {
    //[leaky
    LeakyBucket pace{{.units = 10, .period = 1s, .capacity = 3}};
    const TimePoint now{1h};
    CHECK(pace.reserve(1, now).start == now);
    CHECK(pace.reserve(1, now).start == now + 100ms);
    const Reservation third = pace.reserve(1, now);
    CHECK(third.start == now + 200ms);
    CHECK(pace.reserve(1, now).wait == 100ms);  // refused: full until then
    CHECK(pace.refund(third));                  // the last one may leave
    //]
}

TEST_CASE("docs/windows.md: reconfigure") {
    const TimePoint now{1h};
    //[reconfigure
    FixedWindow quota{{.limit = 100, .window = 1h}};
    quota.try_acquire(80, now);
    quota.reconfigure({.limit = 150, .window = 1h}, now);  // more for this customer
    CHECK(quota.snapshot(now).available == 70);
    //]
}
