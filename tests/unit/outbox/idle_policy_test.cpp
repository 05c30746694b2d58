// SPDX-License-Identifier: MIT
#include "src/outbox/idle_policy.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using resilience::TimePoint;
using resilience::detail::idle_policy;
using resilience::detail::idle_wait;
using resilience::detail::LanePace;
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

TEST_CASE("idle lanes look as often as told, all but the first at one moment") {
    for (const auto now : {TimePoint{}, TimePoint{1h + 7'777us}, TimePoint{-3ms}}) {
        for (int lane = 0; lane < 64; ++lane) {
            const auto first = now + idle_wait(20ms, 20ms, lane, now);
            CHECK(first > now);
            CHECK(first <= now + 20ms);
            // As often from there, also when a look takes its time.
            CHECK(idle_wait(20ms, 20ms, lane, first) == 20ms);
            CHECK(idle_wait(20ms, 20ms, lane, first + 3ms) == 17ms);
            const auto moment = (first.time_since_epoch() + 20ms) % 20ms;
            CHECK(moment == (lane == 0 ? 0us : 1'500us));
        }
    }
}

TEST_CASE("waits that still grow are those of each lane, and begin anew with news") {
    LanePace pace{1ms, 20ms, 3};
    CHECK(pace.next(TimePoint{123us}) == 1ms);
    CHECK(pace.next(TimePoint{123us}) == 1'020us);
    pace.reset();
    CHECK(pace.next(TimePoint{123us}) == 1ms);
}
