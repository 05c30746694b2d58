// SPDX-License-Identifier: MIT
#include <resilience/keyed_limiter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <map>
#include <thread>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

constexpr int kThreads = 4;
constexpr std::array<std::uint64_t, 2> kSecret{11, 12};
constexpr std::int64_t kSecond = 1'000'000'000;

/// 44 keys at 24 bytes are 64 slots.
KeyedLimiterOptions sixty_four_slots(const TokenBucketOptions& limit) {
    return {.limit = limit, .keys = 44, .hash_key = kSecret};
}

struct Admitted {
    std::int64_t key;
    std::int64_t when;
    std::uint32_t n;
};

/// Whether no key got more in any window than its burst and its refill.
bool within_curve(std::vector<Admitted> log, const TokenBucketOptions& o) {
    std::stable_sort(log.begin(), log.end(), [](const Admitted& a, const Admitted& b) {
        return a.when < b.when;
    });
    std::map<std::int64_t, BucketOracle> oracles;
    for (const Admitted& a : log) {
        BucketOracle& oracle = oracles.try_emplace(a.key, o, 1ns).first->second;
        if (!oracle.fits(a.n, a.when)) return false;
        oracle.take(a.n, a.when);
    }
    return true;
}

std::vector<Admitted> in_threads(
    const std::function<void(int, std::vector<Admitted>&)>& body
) {
    std::vector<Admitted> logs[kThreads];
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] { body(i, logs[i]); });
    }
    for (std::thread& t : threads) t.join();
    std::vector<Admitted> all;
    for (const auto& log : logs) all.insert(all.end(), log.begin(), log.end());
    return all;
}

}  // namespace

TEST_CASE("P10: reclaim is invisible: 64 slots serve 5000 keys as 5000 buckets would") {
    const TokenBucketOptions o{.tokens = 10, .period = 1s, .burst = 10};
    Random random{10'001};
    INFO("seed " << random.seed);
    KeyedLimiter limiter{sixty_four_slots(o), at(0)};
    REQUIRE(limiter.stats(at(0)).slots == 64);
    std::map<std::int64_t, BucketOracle> oracles;
    std::int64_t now = 0;
    for (int step = 0; step < 40'000; ++step) {
        now += random.in(0, kSecond / 20);
        // Some keys are busy, most are new or return after a while.
        const std::int64_t key = random.one_in(3) ? random.in(0, 9) : random.in(0, 5000);
        BucketOracle& oracle = oracles.try_emplace(key, o, 1ns).first->second;
        const auto n = static_cast<std::uint32_t>(random.in(1, 10));
        CAPTURE(step);
        const LimiterSnapshot level = limiter.snapshot(key, at(now));
        REQUIRE(level.available == oracle.whole(now));
        REQUIRE(BigInteger{level.until_full.count()} == oracle.wait_until_full(now));
        if (random.one_in(20)) {
            limiter.charge(key, n, at(now));
            oracle.take(n, now);
            continue;
        }
        const Admission a = limiter.try_acquire(key, n, at(now));
        REQUIRE(a.admitted == oracle.fits(n, now));
        REQUIRE(BigInteger{a.retry_after.count()} == oracle.wait(n, now));
        if (a) oracle.take(n, now);
    }
    REQUIRE(oracles.size() > 4000);
    REQUIRE(limiter.stats(at(now)).overflows == 0);
}

TEST_CASE("P10: without room the table is stricter, and never looser for any key") {
    const TokenBucketOptions o{.tokens = 10, .period = 1s, .burst = 10};
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Random random{10'100 + seed};
        INFO("seed " << random.seed);
        KeyedLimiter limiter{sixty_four_slots(o), at(0)};
        std::vector<Admitted> log;
        std::int64_t now = 0;
        for (int step = 0; step < 5'000; ++step) {
            now += random.in(0, kSecond / 200);
            // Clocks may be late, too.
            const std::int64_t clock =
                random.one_in(4) ? now - random.in(0, kSecond) : now;
            const std::int64_t key = random.in(0, 150);
            const auto n = static_cast<std::uint32_t>(random.in(1, 10));
            if (limiter.try_acquire(key, n, at(clock))) log.push_back({key, clock, n});
        }
        REQUIRE(limiter.stats(at(now)).overflows > 0);
        REQUIRE(within_curve(log, o));
    }
}

TEST_CASE("threads that bring the same new keys at once make one bucket for each") {
    const TokenBucketOptions o{.tokens = 1, .period = 24h, .burst = 5};
    for (int round = 0; round < 100; ++round) {
        KeyedLimiter limiter{{.limit = o, .keys = 500, .hash_key = kSecret}, at(0)};
        std::latch start{kThreads};
        const auto log = in_threads([&](int, std::vector<Admitted>& mine) {
            start.arrive_and_wait();
            for (std::int64_t key = 0; key < 400; ++key) {
                for (int i = 0; i < 3; ++i) {
                    if (limiter.try_acquire(key, 1, at(0))) mine.push_back({key, 0, 1});
                }
            }
        });
        // Twelve calls for each key, and five tokens.
        REQUIRE(limiter.stats(at(0)).overflows == 0);
        REQUIRE(log.size() == 400 * 5);
        REQUIRE(within_curve(log, o));
    }
}

TEST_CASE("P2: no key exceeds its curve while threads reclaim slots from each other") {
    const TokenBucketOptions o{.tokens = 10, .period = 1s, .burst = 10};
    for (const std::int64_t keys : {60, 300}) {  // with room for nearly all, and without
        KeyedLimiter limiter{sixty_four_slots(o), at(0)};
        std::atomic<std::int64_t> clock{0};
        const auto log = in_threads([&](int id, std::vector<Admitted>& mine) {
            Random random{200u + id};
            for (int i = 0; i < 15'000; ++i) {
                const std::int64_t now = clock.fetch_add(random.in(0, kSecond / 50));
                const std::int64_t key = random.in(0, keys);
                const auto n = static_cast<std::uint32_t>(random.in(1, 10));
                if (limiter.try_acquire(key, n, at(now))) mine.push_back({key, now, n});
            }
        });
        CHECK(log.size() > 5'000);
        REQUIRE(within_curve(log, o));
    }
}

TEST_CASE("threads that take groups and give them back never hold more than a burst") {
    const TokenBucketOptions o{.tokens = 1, .period = 24h, .burst = 10};
    KeyedLimiter limiter{sixty_four_slots(o), at(0)};
    std::array<std::atomic<int>, 4> held{};
    std::atomic<bool> too_many{false};
    in_threads([&](int id, std::vector<Admitted>&) {
        Random random{400u + id};
        for (int i = 0; i < 10'000; ++i) {
            const auto key = random.in(0, 3);
            const KeyedRequest group[] = {{key, 3}, {(key + 1) % 4, 11}};
            if (limiter.try_acquire_all(group, at(0))) too_many = true;  // 11 never fit
            const auto n = static_cast<std::uint32_t>(random.in(1, 5));
            if (const Reservation r = limiter.reserve(key, n, at(0))) {
                std::atomic<int>& count = held[static_cast<std::size_t>(key)];
                if (count.fetch_add(int(n)) + int(n) > 10) too_many = true;
                count -= int(n);
                limiter.refund(key, r, at(0));
            }
        }
    });
    CHECK_FALSE(too_many);
    for (int key = 0; key < 4; ++key) CHECK(limiter.snapshot(key, at(0)).available == 10);
}
