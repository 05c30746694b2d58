// SPDX-License-Identifier: MIT
#include "src/outbox/idle_policy.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using resilience::TimePoint;
using resilience::detail::idle_policy;
using resilience::detail::rest_until;

constexpr TimePoint start{1h};

}  // namespace

TEST_CASE("a lane rests until its sink is ready, and not at all if it is") {
    CHECK(rest_until(start + 3ms, start, 20ms) == 3ms);
    CHECK(rest_until(start, start, 20ms) == 0ms);
    CHECK(rest_until(start - 3ms, start, 20ms) == 0ms);
    CHECK(rest_until(TimePoint::min(), start, 20ms) == 0ms);
}

TEST_CASE("a lane rests no longer than between two looks") {
    CHECK(rest_until(start + 20ms, start, 20ms) == 20ms);
    CHECK(rest_until(start + 1h, start, 20ms) == 20ms);
    CHECK(rest_until(TimePoint::max(), TimePoint::min(), 20ms) == 20ms);
}

TEST_CASE("looks at an idle table become rarer by a fiftieth, up to the longest wait") {
    const auto idle = idle_policy(1ms, 20ms);
    CHECK(idle.delay(1, 0) == 1ms);
    CHECK(idle.delay(2, 0) == 1020us);
    CHECK(idle.delay(1000, 0) == 20ms);
}
