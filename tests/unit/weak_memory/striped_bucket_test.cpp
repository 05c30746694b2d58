// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/striped_token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;
const TimePoint later = start + 3h;

/// All threads have one stripe.
struct OneStripe {
    std::uint32_t operator()() const noexcept { return 0; }
};

using Striped = BasicStripedTokenBucket<OneStripe>;

/// A token comes each hour; the stripe holds two, the common bucket six.
const StripedTokenBucketOptions options{
    .limit = {.tokens = 1, .period = 1h, .burst = 8},
    .stripes = 1,
    .tokens_per_stripe = 2};

int drain(Striped& bucket, TimePoint now) {
    int taken = 0;
    while (taken < 100 && bucket.try_acquire(1, now)) ++taken;
    return taken;
}

}  // namespace

TEST_CASE("weak memory: a stripe gives no token twice") {
    const Exploration all = explore([] {
        Striped bucket{options};
        static_cast<void>(bucket.try_acquire(6, start));
        int taken = 0;
        const auto take = [&] {
            if (bucket.try_acquire(1, start)) ++taken;
        };
        run({take, take, take});
        demand(taken == 2, "as many as there were");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a stripe that is filled while others take keeps count") {
    const Exploration all = explore([] {
        Striped bucket{options};
        static_cast<void>(bucket.try_acquire(6, start));
        static_cast<void>(bucket.try_acquire(2, start));
        int taken = 0;
        const auto take = [&] {
            if (bucket.try_acquire(1, later)) ++taken;
        };
        run({take, take});
        demand(taken + drain(bucket, later) == 3, "as many as came");
        static_cast<void>(bucket.try_acquire(1, later + 20h));
        demand(drain(bucket, later + 40h) == 8, "the stripe is filled again");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a token that leaves a stripe while it is filled is gone") {
    const Exploration all = explore([] {
        Striped bucket{options};
        static_cast<void>(bucket.try_acquire(1, start));
        int taken = 1;
        const auto take = [&](std::uint32_t n) {
            if (bucket.try_acquire(n, start)) taken += static_cast<int>(n);
        };
        run({[&] { take(2); }, [&] { take(1); }});
        demand(taken + drain(bucket, start) == 8, "as many as there were");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
