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

TEST_CASE("weak memory: a refund that is overtaken does not forfeit by its own attempt") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 4}};
        static_cast<void>(bucket.try_acquire(2, start));
        const Reservation reserved = bucket.reserve(2, start);
        bool back = false;
        int taken = 0;
        const auto take = [&] {
            if (bucket.try_acquire(1, start + 2h)) ++taken;
        };
        // What arrived in the two hours had room in the bucket.
        run({[&] { back = bucket.refund(reserved, start + 2h); }, take, take});
        demand(back, "both tokens came back");
        demand(taken == 2, "there was enough");
        demand(bucket.snapshot(start + 2h).available == 2, "the others are left");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a refund that was overtaken by a taking counts as after it") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 4}};
        const Reservation earlier = bucket.reserve(2, start);
        Reservation later;
        run(
            {[&] { static_cast<void>(bucket.refund(earlier, start)); },
             [&] { later = bucket.reserve(2, start); }}
        );
        static_cast<void>(bucket.try_acquire(3, start + 1h));
        static_cast<void>(bucket.refund(later, start + 1h));
        // Without the two, a bucket that was full would have been left with one.
        demand(bucket.snapshot(start + 1h).available == 1, "no more than without them");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a note of a refund that came to nothing is taken back") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 4}};
        const TokenBucketOptions other{.tokens = 2, .period = 1h, .burst = 4};
        const Reservation earlier = bucket.reserve(2, start);
        Reservation later;
        bool back = false;
        run(
            {[&] { back = bucket.refund(earlier, start); },
             [&] {
                 bucket.reconfigure(other, TokenCarry::as_is, start);
                 later = bucket.reserve(2, start);
             }}
        );
        const auto left = bucket.snapshot(start).available;
        demand(left == (back ? 2u : 0u), "it came back in time or not at all");
        demand(bucket.refund(later, start + 30min) == !back, "its room is its own");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: whoever sees tokens that came back sees that they did") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 4}};
        const Reservation first = bucket.reserve(2, start);
        const Reservation second = bucket.reserve(2, start);
        static_cast<void>(bucket.try_acquire(2, start + 2h));
        bool seen = false;
        bool back = false;
        run(
            {[&] { static_cast<void>(bucket.refund(first, start + 1h)); },
             [&] {
                 seen = bucket.snapshot(start + 2h).available > 0;
                 back = bucket.refund(second, start + 2h);
             }}
        );
        // Of the two hours' tokens, one would have found the bucket full.
        demand(!seen || !back, "the other's token took up its room");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a refund is by the law that it was taken by, or by none") {
    const Exploration all = explore([] {
        const TokenBucketOptions first{.tokens = 1, .period = 1h, .burst = 4};
        TokenBucket bucket{first};
        const auto replace = [&](const TokenBucketOptions& options) {
            bucket.reconfigure(options, TokenCarry::as_is, start);
        };
        // So that either place for a law holds one.
        replace({.tokens = 1, .period = 7h, .burst = 3});
        replace(first);
        const Reservation reserved = bucket.reserve(2, start);
        bool back = false;
        run(
            {[&] {
                 replace({.tokens = 1, .period = 2h, .burst = 5});
                 replace({.tokens = 3, .period = 5h, .burst = 6});
             },
             [&] { back = bucket.refund(reserved, start); }}
        );
        const auto left = bucket.snapshot(start).available;
        demand(left == (back ? 3u : 1u), "both came back or none");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: two who wait and are cancelled at once leave no trace") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1, .max_debt = 3}};
        static_cast<void>(bucket.try_acquire(1, start));
        const Reservation first = bucket.reserve(1, start);
        const Reservation second = bucket.reserve(1, start);
        bool taken = false;
        run(
            {[&] { static_cast<void>(bucket.refund(first, start)); },
             [&] { static_cast<void>(bucket.refund(second, start)); },
             [&] { taken = bucket.try_acquire(1, start + 1h).admitted; }}
        );
        const auto left = bucket.snapshot(start + 1h).available;
        demand(left == (taken ? 0u : 1u), "one has come, as if they had not waited");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who waits while another is cancelled leaves no trace either") {
    const Exploration all = explore([] {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1, .max_debt = 3}};
        static_cast<void>(bucket.try_acquire(1, start));
        const Reservation first = bucket.reserve(1, start);
        Reservation second;
        run(
            {[&] { static_cast<void>(bucket.refund(first, start)); },
             [&] { second = bucket.reserve(1, start); }}
        );
        const auto wait = bucket.peek(1, start).retry_after;
        demand(wait == (second.start == start + 1h ? 2h : 3h), "it stands as promised");
        static_cast<void>(bucket.refund(second, start));
        const auto left = bucket.peek(1, start).retry_after;
        demand(left == 1h || left == wait - 1h, "and never comes back twice");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
