// SPDX-License-Identifier: MIT
// What a leaky bucket does while it is given other options.
#include "unit/weak_memory/sync.hpp"

#include <resilience/leaky_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

}  // namespace

TEST_CASE("weak memory: nobody starts before who was promised a start by an older rate") {
    const Exploration all = explore([] {
        LeakyBucket pace{{.units = 1, .period = 1h, .capacity = 3}};
        static_cast<void>(pace.try_acquire(1, start));
        Reservation first;
        run(
            {[&] { first = pace.reserve(1, start); },
             [&] {
                 pace.reconfigure({.units = 1, .period = 1min, .capacity = 99}, start);
             }}
        );
        demand(first.granted, "there was room");
        const bool known = first.wait == 1h || first.wait == 1min;
        demand(known, "the start is by one of the two rates");
        const Reservation next = pace.reserve(1, start);
        demand(next.start == first.start + 1min, "who comes later starts later");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
