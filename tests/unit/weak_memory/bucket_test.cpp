// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

/// A bucket that has had other options before, so that each place for a law and a base
/// holds what could be taken for the present one.
struct UsedBucket {
    explicit UsedBucket(const TokenBucketOptions& options) : bucket{options} {
        static_cast<void>(bucket.try_acquire(1, start));
        replace({.tokens = 1, .period = 7h, .burst = 3});
        replace(options);
    }

    void replace(const TokenBucketOptions& options) {
        bucket.reconfigure(options, TokenCarry::as_is, start);
    }

    TokenBucket bucket;
};

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

TEST_CASE("weak memory: a bucket that gets other rates meanwhile gives no token twice") {
    const Exploration all = explore([] {
        UsedBucket used{{.tokens = 1, .period = 1h, .burst = 2}};
        int taken = 0;
        const auto take = [&] {
            if (used.bucket.try_acquire(1, start)) ++taken;
        };
        run(
            {[&] {
                 used.replace({.tokens = 3, .period = 2h, .burst = 5});
                 used.replace({.tokens = 2, .period = 5h, .burst = 3});
             },
             [&] {
                 take();
                 take();
             }}
        );
        demand(taken == 1, "as many as there were");
        demand(used.bucket.snapshot(start).available == 0, "none is left");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a refusal is by one law, though two replace it") {
    const Exploration all = explore([] {
        UsedBucket used{{.tokens = 1, .period = 1h, .burst = 1}};
        Admission answer;
        run(
            {[&] {
                 used.replace({.tokens = 1, .period = 2h, .burst = 1});
                 used.replace({.tokens = 1, .period = 4h, .burst = 1});
             },
             [&] { answer = used.bucket.try_acquire(1, start); }}
        );
        demand(!answer, "there is no token");
        const auto wait = answer.retry_after;
        const bool known = wait == 1h || wait == 2h || wait == 4h;
        demand(known, "the wait is that of one of the laws");
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
