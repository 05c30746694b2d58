// SPDX-License-Identifier: MIT
// What all limiters promise alike.
#include <resilience/fixed_window.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/sliding_window.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <latch>
#include <thread>
#include <type_traits>
#include <vector>

#include "unit/core/window_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;
namespace law = resilience::detail;

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

constexpr int kThreads = 4;
const TimePoint t0 = TimePoint{} + 1h;

/// The options of a limiter of `limit` a second.
template <class Limiter>
typename Limiter::Options a_second(std::uint32_t limit) {
    typename Limiter::Options o{};
    if constexpr (std::is_same_v<Limiter, TokenBucket>) {
        o.tokens = o.burst = limit;
    } else if constexpr (std::is_same_v<Limiter, LeakyBucket>) {
        o.units = o.capacity = limit;
    } else {
        o.limit = limit;
    }
    return o;
}

template <class Limiter>
std::array<std::byte, sizeof(Limiter)> bytes_of(const Limiter& limiter) {
    std::array<std::byte, sizeof(Limiter)> bytes;
    std::memcpy(bytes.data(), static_cast<const void*>(&limiter), sizeof(Limiter));
    return bytes;
}

template <class Body>
void in_threads(Body body) {
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

#define EVERY_LIMITER TokenBucket, SlidingWindow, FixedWindow, LeakyBucket

TEST_CASE_TEMPLATE(
    "every limiter is a RateLimiter, and stays where it is", L, EVERY_LIMITER
) {
    static_assert(RateLimiter<L>);
    static_assert(!std::is_copy_constructible_v<L> && !std::is_move_constructible_v<L>);
    const auto options = a_second<L>(7);
    CHECK(L{options}.options() == options);
    CHECK(L{}.try_acquire());
}

TEST_CASE_TEMPLATE(
    "a refusal writes nothing, nor does a look (resilience4j)", L, EVERY_LIMITER
) {
    L limiter{a_second<L>(10)};
    REQUIRE(limiter.try_acquire(10, t0));
    const auto before = bytes_of(limiter);
    for (int i = 0; i < 1000; ++i) {
        REQUIRE_FALSE(limiter.try_acquire(1, t0 + i * 10us));
        REQUIRE_FALSE(limiter.peek(1, t0 - i * 10us));
        REQUIRE_FALSE(limiter.try_acquire(11, t0 + i * 10us));
        REQUIRE(limiter.try_acquire(0, t0 + i * 10us));
        REQUIRE(limiter.snapshot(t0 + i * 10us).available == 0);
    }
    CHECK(bytes_of(limiter) == before);
}

TEST_CASE_TEMPLATE(
    "no call allocates, and no state grows with use (tower-resilience)", L, EVERY_LIMITER
) {
    // A window of 30,000 calls is not a list of 30,000 instants to walk along.
    static_assert(sizeof(L) <= 1024);
    L limiter{a_second<L>(30'000)};
    const AllocationCounter counter;
    int admitted = 0;
    for (int i = 0; i < 100'000; ++i) {
        const TimePoint now = t0 + i * 20us;
        admitted += limiter.try_acquire(1, now).admitted;
        static_cast<void>(limiter.peek(2, now));
        static_cast<void>(limiter.snapshot(now));
    }
    CHECK(counter.made() == 0);
    CHECK(admitted > 30'000);
    CHECK(admitted < 100'000);
}

TEST_CASE_TEMPLATE(
    "P4: after the wait a call is admitted, a nanosecond before it is not",
    L,
    EVERY_LIMITER
) {
    Random random{30'000};
    L limiter{a_second<L>(97)};
    TimePoint now = t0;
    for (int step = 0; step < 20'000; ++step) {
        now += std::chrono::nanoseconds{random.in(0, 30'000'000)};
        const auto n = static_cast<std::uint32_t>(random.in(1, 97));
        const Admission a = limiter.try_acquire(n, now);
        if (a) continue;
        REQUIRE(a.retry_after > 0ns);
        REQUIRE(limiter.peek(n, now + a.retry_after));
        REQUIRE_FALSE(limiter.peek(n, now + a.retry_after - 1ns));
    }
}

TEST_CASE_TEMPLATE(
    "threads at one instant take the limit exactly",
    L,
    TokenBucket,
    SlidingWindow,
    FixedWindow
) {
    for (int round = 0; round < 3; ++round) {
        L limiter{a_second<L>(30'011)};
        std::atomic<std::uint64_t> taken{0};
        in_threads([&](int) {
            std::uint64_t mine = 0;
            for (int i = 0; i < 20'000; ++i) mine += limiter.try_acquire(1, t0).admitted;
            taken += mine;
        });
        REQUIRE(taken == 30'011);
    }
}

TEST_CASE_TEMPLATE(
    "P2: threads with racing clocks stay within the curve", L, SlidingWindow, LeakyBucket
) {
    const std::uint32_t limit = 1'000;
    L limiter{a_second<L>(limit)};
    std::atomic<std::int64_t> clock{0};
    std::vector<std::pair<std::int64_t, std::uint32_t>> logs[kThreads];
    in_threads([&](int id) {
        Random random{31'000u + std::uint64_t(id)};
        for (int i = 0; i < 20'000; ++i) {
            const std::int64_t now = clock.fetch_add(random.in(0, 5'000'000));
            const auto n = static_cast<std::uint32_t>(random.in(1, 40));
            if (limiter.try_acquire(n, at(now))) logs[id].push_back({now, n});
        }
    });
    std::vector<std::pair<std::int64_t, std::uint32_t>> all;
    for (const auto& log : logs) all.insert(all.end(), log.begin(), log.end());
    std::sort(all.begin(), all.end());
    BucketOracle oracle{{.tokens = limit, .period = 1s, .burst = limit}, 1ns};
    for (const auto& [when, n] : all) {
        REQUIRE(oracle.fits(n, when));
        oracle.take(n, when);
    }
    CHECK(all.size() > 1'000);
}

TEST_CASE("a call that is overtaken a thousand times is answered, not failed (throttled)"
) {
    const FixedWindowOptions options{.limit = 2'000, .window = 1s};
    law::LawfulWord<law::FixedWindowLaw, FixedWindowOptions> word{
        FixedWindow::make_law(options), options};
    int decisions = 0;
    word.update([&](const auto& era, std::int64_t seen, std::int64_t& next) {
        if (++decisions <= 1'000) REQUIRE(word.try_acquire(1, t0));
        next = era.law.take(seen, 1, era.law.moment(3'600'000'000'000)).next;
        return true;
    });
    CHECK(decisions == 1'001);
    CHECK(word.snapshot(t0).available == 999);

    const auto hourly = law::make_bucket_law(
        {.tokens = 1, .period = 1h, .burst = 2'000, .range = law::BucketWord::kRange}
    );
    law::BucketWord bucket{hourly};
    const auto take = [&](auto before) {
        bucket.update(0, [&](const auto& view) {
            before();
            return law::Decision<bool>{true, hourly.taken(view.zero, view.now, 1), true};
        });
    };
    decisions = 0;
    take([&] {
        if (++decisions <= 1'000) take([] {});
    });
    CHECK(decisions > 1'000);
    CHECK(999 == bucket.inspect(0, [&](const auto& view) {
        return hourly.available(view.zero, view.now);
    }));
}
