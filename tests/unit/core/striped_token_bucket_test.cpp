// SPDX-License-Identifier: MIT
#include <resilience/striped_token_bucket.hpp>
#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr StripedTokenBucketOptions kFour{
    .limit = {.tokens = 1000, .period = 1s, .burst = 400},
    .stripes = 4,
    .tokens_per_stripe = 25};

std::string refusal(const StripedTokenBucketOptions& options) {
    try {
        StripedTokenBucket{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

bool names(const std::string& message, const char* field) {
    return message.find(field) != std::string::npos;
}

/// Numbers its threads itself.
struct Numbered {
    static thread_local std::uint32_t mine;
    std::uint32_t operator()() const noexcept { return mine; }
};
thread_local std::uint32_t Numbered::mine = 0;

/// Runs `work` as the thread of a stripe, to its end.
template <class Work>
void on_thread_of(std::uint32_t stripe, Work work) {
    std::thread{[&] {
        Numbered::mine = stripe;
        work();
    }}.join();
}

}  // namespace

TEST_CASE("a striped bucket is a RateLimiter with the burst divided among its parts") {
    static_assert(RateLimiter<StripedTokenBucket>);
    StripedTokenBucket bucket{kFour};
    CHECK(bucket.stripes() == 4);
    CHECK(bucket.options() == kFour);
    int admitted = 0;
    for (std::uint32_t stripe = 0; stripe < 4; ++stripe) {
        while (bucket.try_acquire_on(bucket.stripe(stripe), 1, t0)) ++admitted;
    }
    CHECK(admitted == 400);
    CHECK(bucket.try_acquire(1, t0) == Admission::refuse(1ms));
    CHECK(bucket.peek(1, t0) == Admission::refuse(1ms));
    CHECK_FALSE(bucket.try_acquire(1, t0 + 1ms - 1ns));
    CHECK(bucket.try_acquire(1, t0 + 1ms));
}

TEST_CASE("more than a stripe holds comes from the common bucket, whole or not at all") {
    StripedTokenBucket bucket{kFour};
    CHECK(bucket.try_acquire(0, t0));
    CHECK(bucket.try_acquire(301, t0) == Admission::refuse(Admission::never));
    CHECK(bucket.peek(301, t0) == Admission::refuse(Admission::never));
    CHECK(bucket.try_acquire(300, t0));
    CHECK(bucket.try_acquire(26, t0) == Admission::refuse(26ms));
    CHECK(bucket.snapshot(t0) == LimiterSnapshot{300, 25, 26ms, 300ms});
    CHECK(bucket.try_acquire(25, t0));
    CHECK(bucket.snapshot(t0).available == 0);
}

TEST_CASE("two threads take from two stripes, and neither finds the tokens of the other"
) {
    BasicStripedTokenBucket<Numbered> bucket{kFour};
    REQUIRE(bucket.try_acquire(300, t0));  // all that is in common
    on_thread_of(bucket.stripe(0), [&] {
        CHECK(bucket.try_acquire(24, t0));
        CHECK(bucket.peek(1, t0));
        CHECK_FALSE(bucket.peek(2, t0));
        CHECK(bucket.try_acquire(1, t0));
        CHECK_FALSE(bucket.try_acquire(1, t0));
        CHECK(bucket.snapshot(t0).available == 0);
    });
    on_thread_of(bucket.stripe(1), [&] {
        CHECK(bucket.snapshot(t0).available == 25);
        CHECK(bucket.try_acquire(25, t0));
        CHECK_FALSE(bucket.try_acquire(1, t0));
    });
    on_thread_of(bucket.stripe(0), [&] { CHECK_FALSE(bucket.try_acquire(1, t0)); });
}

TEST_CASE("a thread keeps its number, and another that lives meanwhile has another") {
    const std::uint32_t mine = resilience::detail::thread_stripe();
    std::uint32_t others = mine;
    std::thread{[&] { others = resilience::detail::thread_stripe(); }}.join();
    CHECK(others != mine);
    CHECK(resilience::detail::thread_stripe() == mine);
    CHECK(resilience::detail::ThreadStripe{}() == mine);
}

TEST_CASE("threads that come one after the other share no stripe with the next one") {
    constexpr std::size_t kThreads = 8;
    std::vector<std::uint32_t> numbers;
    for (std::size_t i = 0; i < kThreads; ++i) {
        std::thread{[&] { numbers.push_back(resilience::detail::thread_stripe()); }}.join(
        );
    }
    std::set<std::uint32_t> low_bits;
    for (const std::uint32_t n : numbers) low_bits.insert(n % kThreads);
    CHECK(low_bits.size() == kThreads);
    for (std::size_t i = 1; i < kThreads; ++i) {
        const auto stripe = [](std::uint32_t n) {
            return std::uint64_t{n} * kThreads >> 32;
        };
        CHECK(stripe(numbers[i]) != stripe(numbers[i - 1]));
    }
}

TEST_CASE("when little is left, stripes hoard nothing") {
    StripedTokenBucket bucket{kFour};
    const std::uint32_t a = bucket.stripe(0), b = bucket.stripe(1);
    CHECK(bucket.try_acquire_on(a, 25, t0));
    CHECK(bucket.try_acquire_on(b, 25, t0));
    CHECK(bucket.try_acquire_on(a, 280, t0));  // 20 left in common
    CHECK(bucket.try_acquire_on(a, 1, t0));
    CHECK(bucket.try_acquire_on(b, 19, t0));
    CHECK_FALSE(bucket.try_acquire_on(b, 1, t0));
    CHECK_FALSE(bucket.try_acquire_on(a, 1, t0));
}

TEST_CASE("a bucket too small to be divided is a plain one") {
    const StripedTokenBucketOptions small[] = {
        {.limit = {.burst = 399}, .stripes = 4, .tokens_per_stripe = 25},
        {.limit = {.burst = 15}, .stripes = 4}};
    for (const StripedTokenBucketOptions& o : small) {
        StripedTokenBucket bucket{o};
        CHECK(bucket.stripes() == 0);
        CHECK(bucket.try_acquire(o.limit.burst, t0));
        CHECK_FALSE(bucket.try_acquire_on(7, 1, t0));
        CHECK(bucket.snapshot(t0).available == 0);
    }
    CHECK(StripedTokenBucket{{.limit = {.burst = 16}, .stripes = 4}}.stripes() == 4);
    CHECK(StripedTokenBucket{{.limit = {.burst = 1u << 31}}}.stripes() >= 4);
}

TEST_CASE("options of a striped bucket out of range are refused by name") {
    CHECK(names(refusal({.stripes = 4097}), "StripedTokenBucketOptions::stripes"));
    CHECK(names(refusal({.tokens_per_stripe = 32'769}), "::tokens_per_stripe"));
    CHECK(names(refusal({.limit = {.max_debt = 1}}), "limit.max_debt"));
    CHECK(names(refusal({.limit = {.tokens = 0}}), "tokens"));
    CHECK(names(refusal({.limit = {.burst = 0}}), "burst"));
    CHECK(refusal({.stripes = 4096, .tokens_per_stripe = 32'768}).empty());
}

TEST_CASE("a refusal leaves every stripe as it was, and no call allocates") {
    StripedTokenBucket bucket{kFour};
    const AllocationCounter counter;
    CHECK(bucket.try_acquire_on(bucket.stripe(1), 300, t0));
    CHECK(bucket.try_acquire_on(bucket.stripe(1), 20, t0));
    for (int i = 0; i < 1000; ++i) {
        REQUIRE_FALSE(bucket.try_acquire_on(bucket.stripe(1), 6, t0));
        REQUIRE_FALSE(bucket.try_acquire_on(bucket.stripe(2), 26, t0));
    }
    CHECK(bucket.try_acquire_on(bucket.stripe(1), 5, t0));
    CHECK(bucket.try_acquire_on(bucket.stripe(2), 25, t0));
    CHECK(counter.made() == 0);
}

TEST_CASE("P2: whatever the stripes, no stretch of time admits more than the curve") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Random random{70'000 + seed};
        INFO("seed " << random.seed);
        const auto stripes = static_cast<std::uint32_t>(random.in(1, 8));
        const auto each = static_cast<std::uint32_t>(random.in(1, 40));
        const auto burst =
            4 * stripes * each + static_cast<std::uint32_t>(random.in(0, 50));
        const TokenBucketOptions limit{.tokens = 1000, .period = 1s, .burst = burst};
        StripedTokenBucket bucket{
            {.limit = limit, .stripes = stripes, .tokens_per_stripe = each}};
        REQUIRE(bucket.stripes() == stripes);
        BucketOracle oracle{limit, 1ns};
        std::int64_t now = 3'600'000'000'000, admitted = 0, wanted = 0;
        for (int step = 0; step < 3'000; ++step) {
            now += random.in(0, random.one_in(50) ? 1'000'000'000 : 5'000'000);
            const auto n = static_cast<std::uint32_t>(random.in(1, each + 3));
            const std::uint32_t stripe = bucket.stripe(std::uint32_t(random.in(0, 7)));
            wanted += n;
            const Admission a = bucket.try_acquire_on(stripe, n, at(now));
            if (!a) {
                REQUIRE(bucket.try_acquire_on(stripe, n, at(now + a.retry_after.count()))
                );
                now += a.retry_after.count();
            }
            REQUIRE(oracle.fits(n, now));
            oracle.take(n, now);
            admitted += n;
        }
        CHECK(admitted == wanted);
    }
}

TEST_CASE("P2: threads that take at once from a striped bucket stay within the curve") {
    constexpr int threads = 4;
    for (const std::uint32_t stripes : {1u, 2u, 16u}) {
        const TokenBucketOptions limit{.tokens = 1000, .period = 1s, .burst = 1024};
        StripedTokenBucket bucket{
            {.limit = limit, .stripes = stripes, .tokens_per_stripe = 256 / stripes}};
        REQUIRE(bucket.stripes() == stripes);
        std::atomic<std::int64_t> clock{3'600'000'000'000};
        std::vector<std::int64_t> logs[threads];
        std::latch start{threads};
        std::vector<std::thread> workers;
        for (int i = 0; i < threads; ++i) {
            workers.emplace_back([&, i] {
                Random random{71'000u + std::uint64_t(i)};
                start.arrive_and_wait();
                for (int call = 0; call < 30'000; ++call) {
                    const std::int64_t now = clock.fetch_add(random.in(0, 1'000'000));
                    // By the time afterwards: what was taken had arrived by then.
                    if (bucket.try_acquire(1, at(now))) logs[i].push_back(clock);
                }
            });
        }
        for (std::thread& t : workers) t.join();
        std::vector<std::int64_t> all;
        for (const auto& log : logs) all.insert(all.end(), log.begin(), log.end());
        std::sort(all.begin(), all.end());
        // And each thread may have taken one that it has not yet written down.
        TokenBucketOptions curve = limit;
        curve.burst += threads;
        BucketOracle oracle{curve, 1ns};
        for (const std::int64_t when : all) {
            REQUIRE(oracle.fits(1, when));
            oracle.take(1, when);
        }
        CHECK(all.size() > 20'000);
    }
}

TEST_CASE("threads at one instant take no token twice, and leave none in common") {
    for (int round = 0; round < 20; ++round) {
        StripedTokenBucket bucket{
            {.limit = {.tokens = 1, .period = 24h, .burst = 10'007},
             .stripes = 3,
             .tokens_per_stripe = 64}};
        std::atomic<std::uint64_t> taken{0};
        std::vector<std::thread> workers;
        for (int i = 0; i < 4; ++i) {
            workers.emplace_back([&, i] {
                std::uint64_t mine = 0;
                for (int call = 0; call < 10'000; ++call) {
                    const std::uint32_t stripe = bucket.stripe(std::uint32_t(i + call));
                    mine += bucket.try_acquire_on(stripe, 1, t0).admitted;
                }
                taken += mine;
            });
        }
        for (std::thread& t : workers) t.join();
        REQUIRE(taken == 10'007);
    }
}
