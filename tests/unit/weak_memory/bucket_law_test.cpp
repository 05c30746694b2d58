// SPDX-License-Identifier: MIT
// What a bucket does while it is given other options.
#include "unit/weak_memory/sync.hpp"

#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>

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

// Of the first law the clock has run for many ticks, and by the second a tick earns many
// units: the product of one by the other is more than a number can hold.
const TokenBucketOptions many_ticks{.tokens = 1, .period = 24h, .burst = 50'000};
const TokenBucketOptions many_units{.tokens = 1'000'003, .period = 24h, .burst = 60'000};

void replace_twice(UsedBucket& used) {
    used.replace({.tokens = 1, .period = 24h, .burst = 40'000});
    used.replace(many_units);
}

}  // namespace

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

TEST_CASE("weak memory: a look at a bucket is by one law, though two replace it") {
    const Exploration all = explore([] {
        UsedBucket used{{.tokens = 1, .period = 1h, .burst = 1}};
        Admission answer;
        run(
            {[&] {
                 used.replace({.tokens = 1, .period = 2h, .burst = 1});
                 used.replace({.tokens = 1, .period = 4h, .burst = 1});
             },
             [&] { answer = used.bucket.peek(1, start); }}
        );
        demand(!answer, "there is no token");
        const auto wait = answer.retry_after;
        const bool known = wait == 1h || wait == 2h || wait == 4h;
        demand(known, "the wait is that of one of the laws");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a charge is by one law, though two replace it") {
    const Exploration all = explore([] {
        UsedBucket used{{.tokens = 1, .period = 1h, .burst = 1}};
        std::chrono::nanoseconds repaid{0};
        run(
            {[&] {
                 used.replace({.tokens = 1, .period = 2h, .burst = 1});
                 used.replace({.tokens = 1, .period = 4h, .burst = 1});
             },
             [&] { repaid = used.bucket.charge(1, start); }}
        );
        const bool known = repaid == 1h || repaid == 2h || repaid == 4h;
        demand(known, "the debt is that of one of the laws");
        demand(used.bucket.peek(1, start).retry_after == 8h, "and stays one token");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a taking by numbers of two laws is made again") {
    const Exploration all = explore([] {
        UsedBucket used{many_ticks};
        bool taken = false;
        run(
            {[&] { replace_twice(used); },
             [&] { taken = used.bucket.try_acquire(1, start).admitted; }}
        );
        demand(taken, "there was a token");
        demand(used.bucket.snapshot(start).available == 2, "it was taken once");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: nothing but a taking reckons by numbers of two laws") {
    const Exploration all = explore([] {
        UsedBucket used{many_ticks};
        Reservation taken;
        run({[&] { replace_twice(used); }, [&] { taken = used.bucket.reserve(1, start); }}
        );
        demand(taken.granted, "there was a token");
        demand(used.bucket.snapshot(start).available == 2, "it was taken once");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
