// SPDX-License-Identifier: MIT
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

constexpr std::int64_t kHour = 3'600'000'000'000;
constexpr std::int64_t kLongest = std::int64_t{1} << 62;
constexpr int kPolicies = 400;

/// Waits of 146 years and more are all the same.
bool same_wait(std::chrono::nanoseconds got, BigInteger expected) {
    return expected > kLongest - 10'000'000 ? got.count() > kLongest - 20'000'000
                                            : BigInteger{got.count()} == expected;
}

std::int64_t any_start(Random& random) {
    static constexpr std::int64_t kStarts[] = {
        0, -5'000'000'000, 315'360'000'000'000'000, 1'790'000'000'000'000'000};
    return kStarts[random.in(0, 3)] + random.of_any_size(kHour);
}

/// A step that leaves the bucket neither always empty nor always full, and at times a
/// long idle gap. Clocks may also be late by some seconds.
std::int64_t any_step(Random& random, const TokenBucketOptions& o) {
    if (random.one_in(40)) return random.of_any_size(10'000 * kHour);
    if (random.one_in(6)) return -random.of_any_size(10'000'000'000);
    if (random.one_in(4)) return random.in(0, 3);
    return random.in(0, time_of(o.burst, o));
}

std::uint32_t any_demand(Random& random, const TokenBucketOptions& o) {
    if (random.one_in(10)) return o.burst;
    return static_cast<std::uint32_t>(random.of_any_size(o.burst));
}

/// One random call on both; true if everything agreed.
bool agree(TokenBucket& bucket, BucketOracle& oracle, Random& random, std::int64_t now) {
    const TokenBucketOptions o = bucket.options();
    const std::uint32_t n = any_demand(random, o);
    const bool fits = oracle.fits(n, now);
    const BigInteger wait = oracle.wait(n, now);
    switch (random.in(0, 5)) {
        case 0: {
            const std::uint32_t expected = std::min(n, oracle.whole(now));
            if (expected > 0) oracle.take(expected, now);
            return bucket.acquire_up_to(n, at(now)) == expected;
        }
        case 1: {
            const LimiterSnapshot level = bucket.snapshot(at(now));
            const BigInteger next =
                level.available == o.burst ? 0 : oracle.wait(level.available + 1, now);
            return level.available == oracle.whole(now) &&
                   same_wait(level.until_next, next) &&
                   same_wait(level.until_full, oracle.wait_until_full(now));
        }
        case 2: {
            const std::int64_t most =
                random.one_in(3) ? kLongest : random.of_any_size(time_of(o.burst, o) + 1);
            const Reservation r =
                bucket.reserve(n, at(now), std::chrono::nanoseconds{most});
            const BigInteger owed = oracle.wait_until_owed(n, now);
            if (wait > kLongest - 10'000'000)
                return !r.granted && r.wait == Admission::never;
            if (r.granted) {
                oracle.promise(n, now, r.start.time_since_epoch().count());
                return owed == 0 && wait <= most && same_wait(r.wait, wait);
            }
            return (owed > 0 || wait > most) &&
                   same_wait(r.wait, std::max<BigInteger>(owed, wait - most));
        }
        case 3:
            if (oracle.level(now) < 0) return true;
            oracle.take(n, now);
            return same_wait(bucket.charge(n, at(now)), oracle.wait(0, now));
        default: {
            if (bucket.peek(n, at(now)).admitted != fits) return false;
            const Admission got = bucket.try_acquire(n, at(now));
            if (fits) oracle.take(n, now);
            return got.admitted == fits && same_wait(got.retry_after, fits ? 0 : wait);
        }
    }
}

struct Admitted {
    std::int64_t when;
    std::uint32_t n;
    bool operator<(const Admitted& other) const { return when < other.when; }
};

/// Whether, in every window, no more was let through than the burst and the refill.
bool within_curve(
    std::vector<Admitted> log, const TokenBucketOptions& o, const TokenBucket& b
) {
    BucketOracle oracle{o, b.resolution()};
    std::stable_sort(log.begin(), log.end());
    for (const Admitted& a : log) {
        if (!oracle.fits(a.n, a.when)) return false;
        oracle.take(a.n, a.when);
    }
    return true;
}

}  // namespace

TEST_CASE("P1: every decision equals the big-integer oracle's") {
    for (int policy = 0; policy < kPolicies; ++policy) {
        Random random{1000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        TokenBucket bucket{o};
        BucketOracle oracle{o, bucket.resolution()};
        CAPTURE(o.tokens);
        CAPTURE(o.period.count());
        CAPTURE(o.burst);
        std::int64_t now = any_start(random);
        for (int step = 0; step < 300; ++step) {
            now += any_step(random, o);
            CAPTURE(step);
            CAPTURE(now);
            REQUIRE(agree(bucket, oracle, random, now));
        }
    }
}

TEST_CASE("P2: no window admits more than the burst and the refill, whatever the clocks"
) {
    for (int policy = 0; policy < kPolicies; ++policy) {
        Random random{2000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        TokenBucket bucket{o};
        std::vector<Admitted> log;
        std::int64_t now = any_start(random);
        for (int step = 0; step < 300; ++step) {
            now += any_step(random, o) / 3;
            // Any clock is allowed here, also one that is days late.
            const std::int64_t clock =
                random.one_in(5) ? now - random.of_any_size(1'000 * kHour) : now;
            const std::uint32_t n = any_demand(random, o);
            if (random.one_in(2)) {
                if (bucket.try_acquire(n, at(clock))) log.push_back({clock, n});
            } else if (const auto got = bucket.acquire_up_to(n, at(clock)); got > 0) {
                log.push_back({clock, got});
            }
        }
        REQUIRE(within_curve(log, o, bucket));
    }
}

TEST_CASE("P2: reservations, cancelled or not, start within the curve") {
    for (int policy = 0; policy < 4 * kPolicies; ++policy) {
        Random random{2500u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o{
            .tokens = static_cast<std::uint32_t>(random.in(1, 5)),
            .period = std::chrono::nanoseconds{random.in(1, 20)},
            .burst = static_cast<std::uint32_t>(random.in(1, 8)),
            .max_debt = static_cast<std::uint32_t>(random.in(0, 20))};
        TokenBucket bucket{o};
        std::vector<Admitted> log;
        std::vector<Reservation> open;
        std::int64_t now = 0;
        for (int step = 0; step < 300; ++step) {
            if (random.one_in(3)) now += random.in(0, 12);
            const auto n = static_cast<std::uint32_t>(random.in(1, o.burst));
            if (random.one_in(4)) {
                if (bucket.try_acquire(n, at(now))) log.push_back({now, n});
            } else if (random.one_in(2)) {
                if (const Reservation r = bucket.reserve(n, at(now))) open.push_back(r);
            } else if (!open.empty()) {
                const auto which = random.in(0, std::int64_t(open.size()) - 1);
                const Reservation r = open[std::size_t(which)];
                open.erase(open.begin() + which);
                // A reservation may be cancelled after its start, if it was not used.
                bucket.refund(r, at(now));
            }
        }
        for (const Reservation& r : open) {
            log.push_back({r.start.time_since_epoch().count(), r.receipt.tokens});
        }
        REQUIRE(within_curve(log, o, bucket));
    }
}

TEST_CASE("P3: with demand always pending, the rate is reached") {
    for (int policy = 0; policy < kPolicies; ++policy) {
        Random random{3000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        if (o.burst > 1'000'000) continue;
        TokenBucket bucket{o};
        const std::int64_t start = any_start(random);
        std::int64_t now = start;
        const BigInteger tick = bucket.resolution().count();
        BigInteger got = 0, clipped = 0;
        std::uint32_t most = 0;
        for (int step = 0; step < 200; ++step) {
            const std::uint32_t n = any_demand(random, o);
            most = std::max(most, n);
            Admission a = bucket.try_acquire(n, at(now));
            if (!a) {
                if (a.retry_after.count() > kLongest / 1000) break;
                now += a.retry_after.count();
                a = bucket.try_acquire(n, at(now));
            }
            REQUIRE(a);
            got += n;
            // Who wants the whole bucket finds it full, and what the tick adds finds no
            // room.
            if ((o.burst - n) * BigInteger{o.period.count()} < o.tokens * tick) ++clipped;
            const BigInteger arrived = BigInteger{now - start} * o.tokens;
            REQUIRE(
                got * o.period.count() >= arrived - most * BigInteger{o.period.count()} -
                                              (1 + clipped) * o.tokens * tick
            );
        }
    }
}

TEST_CASE("P4: after exactly the wait the call is admitted, a nanosecond before it is not"
) {
    for (int policy = 0; policy < kPolicies; ++policy) {
        Random random{4000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        TokenBucket bucket{o};
        std::int64_t now = any_start(random);
        for (int step = 0; step < 100; ++step) {
            now += random.in(0, time_of(o.burst, o));
            const std::uint32_t n = any_demand(random, o);
            const Admission a = bucket.try_acquire(n, at(now));
            if (a || a.retry_after.count() > kLongest / 8) continue;
            REQUIRE(a.retry_after.count() > 0);
            REQUIRE_FALSE(bucket.peek(n, at(now) + a.retry_after - 1ns));
            REQUIRE(bucket.peek(n, at(now) + a.retry_after));
        }
    }
}

TEST_CASE("P5: taking a and then b is taking a + b when both fit") {
    for (int policy = 0; policy < kPolicies; ++policy) {
        Random random{5000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        TokenBucket apart{o}, together{o};
        std::int64_t now = any_start(random);
        for (int step = 0; step < 100; ++step) {
            now += any_step(random, o);
            const auto a = static_cast<std::uint32_t>(random.in(0, o.burst));
            const auto b = static_cast<std::uint32_t>(random.in(0, o.burst - a));
            const bool both = together.try_acquire(a + b, at(now)).admitted;
            REQUIRE(apart.peek(a + b, at(now)).admitted == both);
            if (both) {
                REQUIRE(apart.try_acquire(a, at(now)));
                REQUIRE(apart.try_acquire(b, at(now)));
            }
            const LimiterSnapshot x = apart.snapshot(at(now)),
                                  y = together.snapshot(at(now));
            REQUIRE(x.available == y.available);
            REQUIRE(x.until_full == y.until_full);
        }
    }
}

TEST_CASE("P6: take then cancel never raises a later level above the run without the take"
) {
    for (int policy = 0; policy < 2 * kPolicies; ++policy) {
        Random random{6000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        TokenBucket with{o}, without{o};
        std::int64_t now = any_start(random);
        for (int round = 0; round < 20; ++round) {
            now += random.in(0, time_of(o.burst, o));
            const Reservation r = with.reserve(any_demand(random, o), at(now));
            bool quiet = true;
            for (auto others = random.in(0, 3); others > 0; --others) {
                now += random.in(0, time_of(o.burst, o) / 2);
                const std::uint32_t n = any_demand(random, o);
                if (with.try_acquire(n, at(now))) {
                    REQUIRE(without.try_acquire(n, at(now)));
                    quiet = false;
                }
            }
            now += random.in(0, time_of(o.burst, o) / 2);
            with.refund(r, at(now));
            REQUIRE(
                with.snapshot(at(now)).until_full >= without.snapshot(at(now)).until_full
            );
            // With nobody in between, the cancellation leaves no trace at all.
            if (round == 0 && quiet) {
                REQUIRE(
                    with.snapshot(at(now)).until_full ==
                    without.snapshot(at(now)).until_full
                );
            }
        }
    }
}

TEST_CASE("P6: what was cancelled leaves no more than if it had never been reserved") {
    struct Taking {
        std::int64_t at;
        std::uint32_t n;
        bool cancelled;
        Reservation reservation;
    };
    for (int policy = 0; policy < 4 * kPolicies; ++policy) {
        Random random{6500u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o{
            .tokens = static_cast<std::uint32_t>(random.in(1, 5)),
            .period = std::chrono::nanoseconds{random.in(1, 20)},
            .burst = static_cast<std::uint32_t>(random.in(1, 8)),
            .max_debt = static_cast<std::uint32_t>(random.in(0, 20))};
        TokenBucket bucket{o};
        std::vector<Taking> takings;
        std::int64_t now = 0;
        const auto fullness = [&](std::int64_t when) {
            TokenBucket without{o};
            for (const Taking& t : takings) {
                if (!t.cancelled) without.charge(t.n, at(t.at));
            }
            return without.snapshot(at(when)).until_full;
        };
        for (int step = 0; step < 150; ++step) {
            if (random.one_in(3)) now += random.in(0, 12);
            const auto n = static_cast<std::uint32_t>(random.in(1, o.burst));
            if (random.one_in(4)) {
                if (bucket.try_acquire(n, at(now)))
                    takings.push_back({now, n, false, {}});
            } else if (random.one_in(2)) {
                if (const Reservation r = bucket.reserve(n, at(now))) {
                    takings.push_back({now, n, false, r});
                }
            } else {
                // Some that follow each other, from either end.
                const bool forwards = random.one_in(2);
                for (auto left = random.in(1, 4); left > 0 && !takings.empty(); --left) {
                    const std::size_t last = takings.size() - 1;
                    const std::size_t reach = std::min<std::size_t>(last, 6);
                    for (std::size_t i = 0; i <= reach; ++i) {
                        Taking& t = takings[forwards ? last - reach + i : last - i];
                        if (t.cancelled || !t.reservation) continue;
                        t.cancelled = true;
                        bucket.refund(t.reservation, at(now));
                        break;
                    }
                }
            }
            REQUIRE(bucket.snapshot(at(now)).until_full >= fullness(now));
        }
    }
}

TEST_CASE("P6: all who wait may be cancelled in any order, and leave no trace") {
    for (int policy = 0; policy < 4 * kPolicies; ++policy) {
        Random random{6800u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o{
            .tokens = static_cast<std::uint32_t>(random.in(1, 50)),
            .period = std::chrono::nanoseconds{random.in(100, 2'000)},
            .burst = static_cast<std::uint32_t>(random.in(1, 8)),
            .max_debt = static_cast<std::uint32_t>(random.in(1, 60))};
        TokenBucket bucket{o}, without{o};
        std::int64_t now = any_start(random);
        // One after another, from either end; or at once in any order.
        const bool any_order = random.one_in(2), forwards = random.one_in(2);
        for (int round = any_order ? 9 : 0; round < 10; ++round) {
            now += random.in(0, time_of(o.burst, o));
            while (bucket.try_acquire(1, at(now)))
                REQUIRE(without.try_acquire(1, at(now)));
            std::vector<Reservation> waiting;
            std::int64_t first = now;
            while (const Reservation r = bucket.reserve(1, at(now))) {
                if (waiting.empty()) first = r.start.time_since_epoch().count();
                waiting.push_back(r);
            }
            while (!waiting.empty()) {
                const std::int64_t last = std::int64_t(waiting.size()) - 1;
                const auto which = any_order ? random.in(0, last) : forwards ? 0 : last;
                if (random.one_in(8)) now = random.in(now, first);
                bucket.refund(waiting[std::size_t(which)], at(now));
                waiting.erase(waiting.begin() + which);
            }
            REQUIRE(
                bucket.snapshot(at(now)).until_full ==
                without.snapshot(at(now)).until_full
            );
        }
    }
}

TEST_CASE("P7: no order of the clock reads in a batch admits more than the true one") {
    for (int policy = 0; policy < kPolicies; ++policy) {
        Random random{7000u + policy};
        INFO("seed " << random.seed);
        const TokenBucketOptions o = any_options(random);
        const std::uint32_t n = any_demand(random, o);
        TokenBucket ordered{o}, shuffled{o};
        std::int64_t now = any_start(random);
        std::vector<std::int64_t> clocks;
        for (int i = 0; i < 60; ++i) {
            clocks.push_back(now += random.in(0, time_of(2.0 * n, o)));
        }
        int in_order = 0, out_of_order = 0;
        for (const std::int64_t c : clocks)
            in_order += ordered.try_acquire(n, at(c)).admitted;
        for (std::size_t i = 0; i + 10 <= clocks.size(); i += 10) {
            std::shuffle(clocks.begin() + i, clocks.begin() + i + 10, random.engine);
        }
        for (const std::int64_t c : clocks) {
            out_of_order += shuffled.try_acquire(n, at(c)).admitted;
        }
        REQUIRE(out_of_order <= in_order);
    }
}

TEST_CASE("P9: rebase is invisible, with the bucket full, half full and in debt") {
    // The oddest rates come to the end of their range soonest: about every hour or day.
    const TokenBucketOptions odd[] = {
        {.tokens = 999'999'937, .period = 1s, .burst = 1u << 31, .max_debt = 1000},
        {.tokens = 999'999'937, .period = 24h, .burst = 1u << 31, .max_debt = 1u << 20},
        {.tokens = 700'001, .period = 1s, .burst = 1u << 31, .max_debt = 1u << 31},
    };
    for (const TokenBucketOptions& o : odd) {
        Random random{9000u};
        TokenBucket bucket{o};
        BucketOracle oracle{o, bucket.resolution()};
        std::int64_t now = any_start(random);
        for (int step = 0; step < 30'000; ++step) {
            now += random.in(0, time_of(o.burst / 3.0, o));
            // Clocks may be late by as much as the range, which lasts an hour at least.
            const std::int64_t late = random.one_in(20) ? random.in(0, kHour) : 0;
            REQUIRE(agree(bucket, oracle, random, now - late));
        }
        REQUIRE(now > 4 * kHour);
    }
}

TEST_CASE("P9: an idle gap of any length means full") {
    Random random{9500u};
    for (int policy = 0; policy < kPolicies; ++policy) {
        const TokenBucketOptions o = any_options(random);
        TokenBucket bucket{o};
        std::int64_t now = any_start(random);
        REQUIRE(bucket.try_acquire(o.burst, at(now)));
        const std::int64_t refill = bucket.snapshot(at(now)).until_full.count();
        if (refill > kLongest / 4) continue;
        now += refill + random.of_any_size(kLongest / 4);
        REQUIRE(bucket.snapshot(at(now)).available == o.burst);
        REQUIRE(bucket.try_acquire(o.burst, at(now)));
        REQUIRE_FALSE(bucket.try_acquire(1, at(now)));
    }
}
