// SPDX-License-Identifier: MIT
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

constexpr int kThreads = 4;

struct Admitted {
    std::int64_t when;
    std::uint32_t n;
};

void in_threads(const std::function<void(int)>& body) {
    std::vector<std::thread> threads;
    std::latch start{kThreads};
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&body, &start, i] {
            start.arrive_and_wait();
            body(i);
        });
    }
    for (std::thread& t : threads) t.join();
}

}  // namespace

TEST_CASE("P2: threads with racing clocks stay within the curve, across rebases") {
    struct Load {
        TokenBucketOptions options;
        std::int64_t most_per_call;  // how far a call moves the shared clock
    };
    const Load loads[] = {
        // A rebase is due each hour, and a call moves the clock by about a second.
        {{.tokens = 999'999'937, .period = 1s, .burst = 1u << 31, .max_debt = 1u << 30},
         2'000'000'000},
        // A rebase is due each two days, which some calls take, and the bucket is never
        // full.
        {{.tokens = 999'999'937, .period = 24h, .burst = 1u << 31}, 40'000'000'000'000},
    };
    for (const Load& load : loads) {
        const TokenBucketOptions& o = load.options;
        TokenBucket bucket{o};
        std::atomic<std::int64_t> clock{0};
        std::vector<Admitted> logs[kThreads];
        in_threads([&](int id) {
            Random random{100u + id};
            for (int i = 0; i < 20'000; ++i) {
                const std::int64_t now =
                    clock.fetch_add(random.in(0, load.most_per_call));
                const auto n = static_cast<std::uint32_t>(random.in(1, 1u << 30));
                if (random.one_in(3)) {
                    if (const Reservation r = bucket.reserve(n, at(now))) {
                        logs[id].push_back({r.start.time_since_epoch().count(), n});
                    }
                } else if (bucket.try_acquire(n, at(now))) {
                    logs[id].push_back({now, n});
                }
            }
        });
        std::vector<Admitted> all;
        for (const auto& log : logs) all.insert(all.end(), log.begin(), log.end());
        std::stable_sort(
            all.begin(),
            all.end(),
            [](const Admitted& a, const Admitted& b) { return a.when < b.when; }
        );
        BucketOracle oracle{o, bucket.resolution()};
        for (const Admitted& a : all) {
            REQUIRE(oracle.fits(a.n, a.when));
            oracle.take(a.n, a.when);
        }
        CHECK(all.size() > 10'000);
    }
}

TEST_CASE("threads at one instant take the burst exactly, no token more or less") {
    for (int round = 0; round < 5; ++round) {
        TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 200'003}};
        std::atomic<std::uint64_t> taken{0};
        in_threads([&](int id) {
            const TimePoint now = at(round);
            std::uint64_t mine = 0;
            for (int i = 0; i < 100'000; ++i) {
                if (id % 2 == 0) {
                    mine += bucket.try_acquire(1, now).admitted;
                } else {
                    mine += bucket.acquire_up_to(3, now);
                }
            }
            taken += mine;
        });
        REQUIRE(taken == 200'003);
    }
}

TEST_CASE("threads that take and refund never hold more than the burst, and lose nothing"
) {
    TokenBucket bucket{{.tokens = 1, .period = 24h, .burst = 10}};
    std::atomic<int> held{0};
    std::atomic<bool> too_many{false};
    in_threads([&](int id) {
        Random random{300u + id};
        for (int i = 0; i < 20'000; ++i) {
            const auto n = static_cast<std::uint32_t>(random.in(1, 5));
            if (const Reservation r = bucket.reserve(n, at(0), 0ns)) {
                if (held.fetch_add(int(n)) + int(n) > 10) too_many = true;
                held -= int(n);
                bucket.refund(r, at(0));
            }
        }
    });
    CHECK_FALSE(too_many);
    CHECK(bucket.snapshot(at(0)).available == 10);
}
