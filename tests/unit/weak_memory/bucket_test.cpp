// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

}  // namespace

TEST_CASE("weak memory: a bucket gives no token twice") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 2}};
        static_cast<void>(bucket.try_acquire(2, start));
        int taken = 0;
        const auto take = [&] {
            if (bucket.try_acquire(1, start + 2h)) ++taken;
        };
        run({take, take, take});
        demand(taken == 2, "as many as there were");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: threads that move the base of a bucket at once agree") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1}};
        int taken = 0;
        const auto take = [&] {
            if (bucket.try_acquire(1, start)) ++taken;
        };
        run({take, take});
        demand(taken == 1, "one had the token");
        demand(bucket.snapshot(start + 59min).available == 0, "the next is on its way");
        demand(bucket.snapshot(start + 61min).available == 1, "and comes in its time");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a refund and those who take at once keep count") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 2}};
        const Reservation reserved = bucket.reserve(1, start);
        int taken = 0;
        bool back = false;
        const auto take = [&] {
            if (bucket.try_acquire(1, start)) ++taken;
        };
        run({[&] { back = bucket.refund(reserved, start); }, take, take});
        demand(back, "the token came back");
        const auto left = static_cast<int>(bucket.snapshot(start).available);
        demand(taken + left == 2, "none is lost, none is minted");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
