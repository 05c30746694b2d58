// SPDX-License-Identifier: MIT
#include <resilience/leaky_bucket.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr LeakyBucketOptions kTen{.units = 10, .period = 1s, .capacity = 5};

std::string refusal(const LeakyBucketOptions& options) {
    try {
        LeakyBucket{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

bool names(const std::string& message, const char* field) {
    return message.find(field) != std::string::npos;
}

/// A queue as one would write it with unlimited integers: when the last unit has left, in
/// units of which a tick of the clock makes `earned` and a call takes `cost`.
struct QueueOracle {
    BigInteger earned, cost, capacity;
    std::int64_t tick;
    BigInteger end = -(BigInteger{1} << 120);

    QueueOracle(const LeakyBucketOptions& o, std::chrono::nanoseconds resolution)
        : earned{BigInteger{o.units} * resolution.count()},
          cost{o.period.count()},
          capacity{o.capacity * cost},
          tick{resolution.count()} {}

    BigInteger level(std::int64_t now) const {
        return std::max<BigInteger>(end - now / tick * earned, 0);
    }
    /// The time until the level is at most `target`.
    BigInteger until(BigInteger target, std::int64_t now) const {
        if (level(now) <= target) return 0;
        const BigInteger ticks = (level(now) - target + earned - 1) / earned;
        return (now / tick + ticks) * tick - now;
    }
    void put(std::uint32_t n, std::int64_t now) {
        end = now / tick * earned + level(now) + n * cost;
    }
};

}  // namespace

TEST_CASE("a leaky bucket spaces calls out, and tells each when it starts") {
    LeakyBucket pace{kTen};
    CHECK(pace.snapshot(t0) == LimiterSnapshot{.limit = 5, .available = 5});
    for (int i = 0; i < 5; ++i) {
        const Reservation r = pace.reserve(1, t0);
        CHECK(r.granted);
        CHECK(r.wait == i * 100ms);
        CHECK(r.start == t0 + i * 100ms);
    }
    CHECK(pace.snapshot(t0) == LimiterSnapshot{5, 0, 500ms, 500ms});
    const Reservation full = pace.reserve(1, t0);
    CHECK_FALSE(full.granted);
    CHECK(full.wait == 100ms);
    CHECK_FALSE(pace.reserve(1, t0 + 100ms - 1ns));
    CHECK(pace.reserve(1, t0 + 100ms).start == t0 + 500ms);
}

TEST_CASE("a leaky bucket lets a call go at once only when nothing is before it") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(1, t0));
    CHECK(pace.try_acquire(1, t0) == Admission::refuse(100ms));
    CHECK(pace.peek(1, t0 + 30ms) == Admission::refuse(70ms));
    CHECK_FALSE(pace.try_acquire(1, t0 + 100ms - 1ns));
    CHECK(pace.try_acquire(3, t0 + 100ms));
    CHECK(pace.try_acquire(1, t0 + 100ms) == Admission::refuse(300ms));
    CHECK(pace.try_acquire(1, t0 + 400ms));
}

TEST_CASE("more than the capacity is refused for ever, nothing is always admitted") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(6, t0) == Admission::refuse(Admission::never));
    CHECK(pace.peek(6, t0) == Admission::refuse(Admission::never));
    CHECK(pace.reserve(6, t0).wait == Admission::never);
    CHECK(pace.try_acquire(5, t0));
    CHECK(pace.try_acquire(0, t0));
    CHECK(pace.peek(0, t0));
    CHECK(pace.reserve(0, t0).granted);
    CHECK_FALSE(pace.refund(pace.reserve(0, t0)));
}

TEST_CASE("a reservation that would wait too long is refused, for the time it is too long"
) {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(3, t0));
    CHECK(pace.reserve(1, t0, 250ms).wait == 50ms);
    CHECK(pace.reserve(1, t0, -1h).wait == 300ms);
    CHECK(pace.reserve(1, t0, 300ms).granted);
}

TEST_CASE("the last in a leaky bucket can be taken out, and nobody else") {
    LeakyBucket pace{kTen};
    const Reservation a = pace.reserve(1, t0);
    const Reservation b = pace.reserve(2, t0);
    CHECK_FALSE(pace.refund(a));
    CHECK(pace.reserve(1, t0).start == t0 + 300ms);
    CHECK_FALSE(pace.refund(b));

    LeakyBucket other{kTen};
    const Reservation first = other.reserve(1, t0);
    const Reservation second = other.reserve(2, t0);
    CHECK(other.refund(second));
    CHECK_FALSE(other.refund(second));
    CHECK(other.refund(first));
    CHECK(other.try_acquire(1, t0));
}

TEST_CASE(
    "what a dropped reservation writes back never makes the bucket refuse for ever "
    "(leaky-bucket)"
) {
    LeakyBucket pace{kTen};
    const Reservation last = pace.reserve(5, t0);
    CHECK(pace.refund(last));  // dropped an hour after it was the last
    CHECK(pace.try_acquire(1, t0 + 1h));

    const Reservation stale = pace.reserve(5, t0 + 2h);
    CHECK(pace.try_acquire(1, t0 + 3h));
    CHECK_FALSE(pace.refund(stale));  // others have been there since
    CHECK(pace.try_acquire(1, t0 + 3h) == Admission::refuse(100ms));
    CHECK(pace.try_acquire(1, t0 + 3h + 100ms));

    // Across a gap in which the word is counted from a new base.
    const Reservation old = pace.reserve(5, t0 + 4h);
    CHECK(pace.try_acquire(1, t0 + 24h * 365 * 20));
    CHECK_FALSE(pace.refund(old));
    CHECK(pace.try_acquire(1, t0 + 24h * 365 * 40));
}

TEST_CASE("a late clock finds a leaky bucket fuller, never emptier") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(1, t0));
    CHECK(pace.try_acquire(1, t0 - 1s) == Admission::refuse(1100ms));
    CHECK(pace.snapshot(t0 - 1s).until_full == 1100ms);
}

TEST_CASE("options of a leaky bucket out of range are refused by name") {
    CHECK(names(refusal({.units = 0}), "LeakyBucketOptions::units"));
    CHECK(names(refusal({.period = 0s}), "LeakyBucketOptions::period"));
    CHECK(names(refusal({.period = -1s}), "LeakyBucketOptions::period"));
    CHECK(names(refusal({.capacity = 0}), "LeakyBucketOptions::capacity"));
    CHECK(names(
        refusal({.units = 1, .period = 86'400'000'000'029ns, .capacity = 1u << 31}),
        "LeakyBucketOptions::capacity"
    ));
    CHECK(names(
        refusal({.units = 4'000'000'007u, .period = 1ns}), "LeakyBucketOptions::units"
    ));
    CHECK(LeakyBucket{kTen}.options() == kTen);
    CHECK(LeakyBucket{kTen}.resolution() == 1ns);
}

TEST_CASE("P1, P4: every decision, start and wait of a leaky bucket equals the oracle's"
) {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random{22'000 + seed};
        INFO("seed " << random.seed);
        const TokenBucketOptions any = any_options(random);
        const LeakyBucketOptions o{
            .units = any.tokens, .period = any.period, .capacity = any.burst};
        LeakyBucket pace{o};
        QueueOracle oracle{o, pace.resolution()};
        std::int64_t now = random.of_any_size(1'790'000'000'000'000'000);
        for (int step = 0; step < 100; ++step) {
            now += random.one_in(10) ? -random.in(0, std::min(now, time_of(5, any)))
                                     : random.in(0, time_of(o.capacity, any));
            const auto n = static_cast<std::uint32_t>(random.of_any_size(o.capacity));
            const BigInteger ahead = oracle.until(0, now);
            const BigInteger room = oracle.until(oracle.capacity - n * oracle.cost, now);
            if (std::max(ahead, room) > BigInteger{1} << 61) continue;
            REQUIRE(BigInteger{pace.snapshot(at(now)).until_full.count()} == ahead);
            if (random.one_in(2)) {
                const Admission a = pace.try_acquire(n, at(now));
                REQUIRE(a.admitted == (ahead == 0));
                REQUIRE(BigInteger{a.retry_after.count()} == ahead);
                if (a) oracle.put(n, now);
                continue;
            }
            const std::int64_t most = random.of_any_size(time_of(o.capacity, any) + 1);
            const Reservation r =
                pace.reserve(n, at(now), std::chrono::nanoseconds{most});
            REQUIRE(r.granted == (room == 0 && ahead <= most));
            if (r.granted) {
                REQUIRE(BigInteger{r.wait.count()} == ahead);
                oracle.put(n, now);
                if (!random.one_in(4)) continue;
                REQUIRE(pace.refund(r));
                oracle.end -= n * oracle.cost;
            } else {
                REQUIRE(
                    BigInteger{r.wait.count()} == std::max<BigInteger>(room, ahead - most)
                );
            }
        }
    }
}

TEST_CASE("P2: the starts of calls are at least as far apart as the units in between") {
    Random random{22'500};
    LeakyBucket pace{{.units = 1'000, .period = 1s, .capacity = 20}};
    std::int64_t now = 0;
    TimePoint free = TimePoint::min();
    for (int step = 0; step < 20'000; ++step) {
        now += random.in(0, 4'000'000);
        const auto n = static_cast<std::uint32_t>(random.in(1, 5));
        if (const Reservation r = pace.reserve(n, at(now))) {
            REQUIRE(r.start >= free);
            if (random.one_in(5) && pace.refund(r)) continue;
            free = r.start + n * 1ms;
        }
    }
}
