// SPDX-License-Identifier: MIT
#include <resilience/leaky_bucket.hpp>
#include <resilience/registry.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr LeakyBucketOptions kTen{.units = 10, .period = 1s, .capacity = 5};
constexpr LeakyBucketOptions kHundred{.units = 100, .period = 1s, .capacity = 50};
constexpr LeakyBucketOptions kHourly{.units = 1, .period = 1h, .capacity = 50};

/// A queue of which the options change, in units of a thousand-millionth of one.
struct ChangingQueue {
    static constexpr std::int64_t kUnit = 1'000'000'000;
    LeakyBucketOptions options;
    BigInteger level = 0;
    std::int64_t then = 0;
    std::int64_t promised = 0;  // when the last who had to wait starts

    void move_to(std::int64_t now) {
        const BigInteger left = BigInteger{options.units} * (now - then);
        level = std::max<BigInteger>(level - left, 0);
        then = now;
    }
    /// The time that so many units take to leave.
    std::int64_t time_of(BigInteger units) const {
        return static_cast<std::int64_t>((units + options.units - 1) / options.units);
    }
    void change(const LeakyBucketOptions& o) {
        const std::int64_t ahead =
            std::clamp<std::int64_t>(promised - then, 0, time_of(level));
        const BigInteger behind =
            std::max<BigInteger>(level - BigInteger{options.units} * ahead, 0);
        options = o;
        level = behind + BigInteger{options.units} * ahead;
    }
    bool has_room(std::uint32_t n) const {
        return level + n * BigInteger{kUnit} <= options.capacity * BigInteger{kUnit};
    }
};

}  // namespace

TEST_CASE("what is in a leaky bucket leaves at the new rate") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(4, t0));
    pace.reconfigure(kHundred, t0 + 100ms);
    CHECK(pace.options() == kHundred);
    CHECK(pace.snapshot(t0 + 100ms) == LimiterSnapshot{50, 0, 30ms, 30ms});
    CHECK(pace.try_acquire(1, t0 + 100ms) == Admission::refuse(30ms));
    CHECK(pace.try_acquire(50, t0 + 130ms));
    CHECK(pace.try_acquire(51, t0 + 130ms).retry_after == Admission::never);
    pace.reconfigure(kHourly, t0 + 130ms);
    CHECK(pace.peek(1, t0 + 130ms) == Admission::refuse(50h));
}

TEST_CASE("a leaky bucket that becomes smaller than what is in it has no room") {
    LeakyBucket pace{kHundred};
    CHECK(pace.try_acquire(50, t0));
    pace.reconfigure(kTen, t0);
    CHECK(pace.reserve(1, t0).wait == 4600ms);
    CHECK(pace.reserve(1, t0 + 4600ms).start == t0 + 5s);
    CHECK(pace.reserve(6, t0).wait == Admission::never);
    CHECK(pace.try_acquire(6, t0).retry_after == Admission::never);
    CHECK(pace.peek(6, t0).retry_after == Admission::never);
}

TEST_CASE("P8: who was promised a start starts before whoever comes after the change") {
    LeakyBucket pace{kTen};
    for (int i = 0; i < 5; ++i) REQUIRE(pace.reserve(1, t0).start == t0 + i * 100ms);
    pace.reconfigure(kHundred, t0);
    CHECK(pace.try_acquire(1, t0 + 409ms) == Admission::refuse(1ms));
    CHECK(pace.reserve(1, t0).start == t0 + 410ms);
    CHECK(pace.reserve(9, t0).wait == 10ms);  // no more are in it than leave in 0.5 s
    CHECK(pace.reserve(9, t0 + 10ms).start == t0 + 420ms);
    pace.reconfigure(kTen, t0 + 10ms);
    CHECK(pace.snapshot(t0 + 10ms).until_full == 410ms + 900ms);
}

TEST_CASE("a rate that lasted for a moment leaves nothing behind") {
    LeakyBucket pace{kHundred};
    for (int i = 0; i < 50; ++i) REQUIRE(pace.reserve(1, t0).start == t0 + i * 10ms);
    for (int i = 0; i < 20; ++i) {
        pace.reconfigure(kHourly, t0);
        CHECK(pace.snapshot(t0).until_full == 490ms + 1h);
        pace.reconfigure(kHundred, t0);
        CHECK(pace.snapshot(t0).until_full == 500ms);
    }
}

TEST_CASE("a promise of ages ago or ages ahead does not keep a leaky bucket shut") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(1, t0));
    CHECK(pace.reserve(1, t0).granted);
    pace.reconfigure(kHundred, t0 + 24h * 365);
    CHECK(pace.try_acquire(1, t0 + 24h * 365));
    // More units than the word can tell would leave until then, which is hours away.
    const LeakyBucketOptions odd{.units = 999'999'937, .period = 1s, .capacity = 5};
    const LeakyBucketOptions yearly{.units = 1, .period = 24h * 365, .capacity = 5};
    pace.reconfigure(yearly, t0 + 24h * 366);
    CHECK(pace.reserve(1, t0 + 24h * 366).granted);
    CHECK(pace.reserve(1, t0 + 24h * 366).wait == 24h * 365);
    pace.reconfigure(odd, t0 + 24h * 366);
    const auto wait = pace.snapshot(t0 + 24h * 366).until_full;
    CHECK(wait > 2h);
    CHECK(wait < 24h);
}

TEST_CASE("a leaky bucket holds more than its word can tell, and stays full") {
    LeakyBucket pace{{.units = 1, .period = 1h, .capacity = 1u << 31}};
    CHECK(pace.try_acquire(5, t0));
    CHECK(pace.reserve(1u << 30, t0).wait == 5h);
    pace.reconfigure({.units = 999'999'937, .period = 24h, .capacity = 1}, t0);
    CHECK(pace.snapshot(t0).until_full > 1h);
}

TEST_CASE("the promise of a reservation that was taken out holds nobody back") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(1, t0));
    const Reservation first = pace.reserve(1, t0);
    const Reservation second = pace.reserve(1, t0);
    CHECK(pace.refund(second));
    CHECK(pace.refund(first));
    pace.reconfigure(kHundred, t0);
    CHECK(pace.try_acquire(1, t0 + 100ms));
}

TEST_CASE("a clock that is late, or ages ahead, changes a leaky bucket without harm") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(1, t0));
    CHECK(pace.reserve(4, t0).granted);
    pace.reconfigure(kHundred, t0 - 30min);
    CHECK(pace.try_acquire(1, t0).retry_after == 140ms);
    pace.reconfigure(kTen, TimePoint::min());
    CHECK(pace.try_acquire(1, t0).retry_after == 500ms);
    pace.reconfigure(kTen, TimePoint::max());
    CHECK(pace.try_acquire(5, TimePoint::max()));
    CHECK_FALSE(pace.try_acquire(1, TimePoint::max()));
}

TEST_CASE("a reservation from before stands, but cannot be taken out") {
    LeakyBucket pace{kTen};
    const Reservation r = pace.reserve(2, t0);
    pace.reconfigure(kHundred, t0);
    CHECK_FALSE(pace.refund(r));
    pace.reconfigure(kTen, t0);
    CHECK_FALSE(pace.refund(r));
    CHECK(pace.snapshot(t0).until_full == 200ms);
    const Reservation s = pace.reserve(2, t0);
    CHECK(pace.refund(s));
    CHECK(pace.snapshot(t0).until_full == 200ms);
}

TEST_CASE("a leaky bucket refuses options out of range and stays what it was") {
    LeakyBucket pace{kTen};
    CHECK(pace.try_acquire(3, t0));
    const LeakyBucketOptions bad[] = {{.units = 0}, {.period = 0s}, {.capacity = 0}};
    for (const LeakyBucketOptions& o : bad) {
        CHECK_THROWS_AS(pace.reconfigure(o, t0), std::invalid_argument);
    }
    CHECK(pace.options() == kTen);
    CHECK(pace.snapshot(t0).until_full == 300ms);
}

TEST_CASE("a registry changes the options of a leaky bucket") {
    Registry registry;
    const auto pace = std::make_shared<LeakyBucket>(kTen);
    REQUIRE_FALSE(registry.add("pace", pace));
    CHECK(registry.reconfigure<LeakyBucket>("pace", kHundred));
    CHECK(pace->options() == kHundred);
    CHECK_THROWS_AS(
        registry.reconfigure<LeakyBucket>("pace", {.capacity = 0}), std::invalid_argument
    );
    CHECK(pace->options() == kHundred);
}

TEST_CASE("P8: no change makes room, or lets anyone start before those ahead") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Random random{23'000 + seed};
        INFO("seed " << random.seed);
        // Rates whose clock has steps of 1 ns, and queues of an hour at most: the oracle
        // knows no others.
        const auto any = [&random] {
            for (;;) {
                const LeakyBucketOptions o{
                    .units = static_cast<std::uint32_t>(random.of_any_size(999'999'937)),
                    .period = 1s,
                    .capacity = static_cast<std::uint32_t>(random.of_any_size(1 << 20))};
                if (o.capacity / 3600 > o.units) continue;
                if (LeakyBucket{o}.resolution() == 1ns) return o;
            }
        };
        ChangingQueue oracle{any()};
        LeakyBucket pace{oracle.options};
        std::int64_t now = oracle.then = random.of_any_size(1'000'000'000'000'000);
        for (int step = 0; step < 200; ++step) {
            const BigInteger full =
                oracle.options.capacity * BigInteger{ChangingQueue::kUnit};
            now += random.in(0, oracle.time_of(full) / 2);
            oracle.move_to(now);
            if (random.one_in(5)) {
                oracle.change(any());
                pace.reconfigure(oracle.options, at(now));
                REQUIRE(pace.options() == oracle.options);
            }
            const auto n =
                static_cast<std::uint32_t>(random.of_any_size(oracle.options.capacity));
            const Reservation r = pace.reserve(n, at(now));
            if (!r) continue;
            REQUIRE(oracle.has_room(n));
            REQUIRE(r.wait.count() >= oracle.time_of(oracle.level));
            REQUIRE(now + r.wait.count() >= oracle.promised);
            oracle.level += n * BigInteger{ChangingQueue::kUnit};
            if (r.wait.count() > 0) oracle.promised = now + r.wait.count();
        }
    }
}

TEST_CASE("P8: threads never start too close together while the options change") {
    const LeakyBucketOptions slow{.units = 1'000, .period = 1s, .capacity = 1u << 20};
    const LeakyBucketOptions fast{.units = 2'000, .period = 1s, .capacity = 1u << 20};
    LeakyBucket pace{slow};
    std::atomic<int> running{3};
    std::vector<std::vector<Reservation>> starts(3);
    std::vector<std::thread> takers;
    for (std::size_t i = 0; i < starts.size(); ++i) {
        takers.emplace_back([&, i] {
            for (int call = 0; call < 5'000; ++call) {
                starts[i].push_back(pace.reserve(1, t0));
                const auto units = pace.options().units;
                if (units != 1'000 && units != 2'000) starts[i].push_back({});
            }
            --running;
        });
    }
    for (int i = 0; running > 0; ++i) pace.reconfigure(i % 2 == 0 ? fast : slow, t0);
    for (std::thread& t : takers) t.join();
    std::vector<TimePoint> all;
    for (const auto& mine : starts) {
        for (const Reservation& r : mine) {
            REQUIRE(r.granted);
            all.push_back(r.start);
        }
    }
    std::sort(all.begin(), all.end());
    for (std::size_t i = 1; i < all.size(); ++i) REQUIRE(all[i] - all[i - 1] >= 500us);
}
