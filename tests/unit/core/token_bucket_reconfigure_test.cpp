// SPDX-License-Identifier: MIT
#include <resilience/detail/bucket_word.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;
using detail::BucketWord;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr TokenBucketOptions kTen{.tokens = 10, .period = 1s, .burst = 10};
constexpr TokenBucketOptions kForty{.tokens = 20, .period = 1s, .burst = 40};
constexpr TokenCarry kEach[] = {
    TokenCarry::as_is, TokenCarry::proportional, TokenCarry::additive, TokenCarry::reset};

std::uint32_t after(TokenCarry carry, std::uint32_t taken, bool grow) {
    TokenBucket bucket{grow ? kTen : kForty};
    bucket.charge(taken, t0);
    bucket.reconfigure(grow ? kForty : kTen, carry, t0);
    return bucket.snapshot(t0).available;
}

detail::BucketLaw law_of(const TokenBucketOptions& o) {
    return detail::make_bucket_law(
        {.tokens = o.tokens,
         .period = o.period,
         .burst = o.burst,
         .range = BucketWord::kRange}
    );
}

/// A bucket of which the options change, in units of a thousand-millionth of a token.
struct ChangingOracle {
    static constexpr std::int64_t kToken = 1'000'000'000;
    TokenBucketOptions options;
    BigInteger level = options.burst * BigInteger{kToken};
    std::int64_t then = 0;

    BigInteger capacity() const { return options.burst * BigInteger{kToken}; }
    void move_to(std::int64_t now) {
        level = std::min(capacity(), level + BigInteger{options.tokens} * (now - then));
        then = now;
    }
    void change(const TokenBucketOptions& o, TokenCarry carry) {
        const BigInteger before = capacity();
        options = o;
        if (carry == TokenCarry::reset) level = capacity();
        if (carry == TokenCarry::additive) level = capacity() - (before - level);
        if (carry == TokenCarry::as_is) level = std::min(level, capacity());
        if (carry == TokenCarry::proportional && level > 0) {
            level = level * o.burst / (before / kToken);
        }
    }
};

}  // namespace

TEST_CASE(
    "tokens are carried over as they are, by share, by what is missing or not at all"
) {
    CHECK(after(TokenCarry::as_is, 4, true) == 6);
    CHECK(after(TokenCarry::proportional, 4, true) == 24);
    CHECK(after(TokenCarry::additive, 4, true) == 36);
    CHECK(after(TokenCarry::reset, 4, true) == 40);
    CHECK(after(TokenCarry::as_is, 4, false) == 10);
    CHECK(after(TokenCarry::proportional, 4, false) == 9);
    CHECK(after(TokenCarry::additive, 4, false) == 6);
    CHECK(after(TokenCarry::additive, 24, false) == 0);
    CHECK(after(TokenCarry::reset, 40, false) == 10);
}

TEST_CASE("a bucket with other options fills at its new rate up to its new burst") {
    TokenBucket bucket{kTen};
    CHECK(bucket.try_acquire(10, t0));
    bucket.reconfigure(kForty, TokenCarry::as_is, t0);
    CHECK(bucket.options() == kForty);
    CHECK(bucket.try_acquire(1, t0) == Admission::refuse(50ms));
    CHECK(bucket.snapshot(t0).until_full == 2s);
    CHECK(bucket.try_acquire(40, t0 + 2s));
    CHECK(bucket.try_acquire(41, t0 + 2s).retry_after == Admission::never);
    bucket.reconfigure(kTen, TokenCarry::as_is, t0 + 2s);
    CHECK(bucket.try_acquire(11, t0 + 2s).retry_after == Admission::never);
    CHECK(bucket.try_acquire(1, t0 + 2s) == Admission::refuse(100ms));
}

TEST_CASE("debt stays debt of as many tokens") {
    for (const TokenCarry carry : {TokenCarry::as_is, TokenCarry::proportional}) {
        TokenBucket bucket{kTen};
        bucket.charge(25, t0);
        bucket.reconfigure(kForty, carry, t0);
        CHECK(bucket.charge(0, t0) == 750ms);
    }
    TokenBucket bucket{kForty};
    bucket.charge(25, t0);
    bucket.reconfigure(kTen, TokenCarry::additive, t0);
    CHECK(bucket.charge(0, t0) == 1500ms);
}

TEST_CASE("debt beyond counting stays within range whatever the new options") {
    for (const TokenCarry carry : kEach) {
        TokenBucket bucket{{.tokens = 999'999'937, .period = 1s, .burst = 1}};
        for (int i = 0; i < 100; ++i) bucket.charge(0xffffffff, t0);
        bucket.reconfigure({.tokens = 1, .period = 24h, .burst = 1u << 31}, carry, t0);
        CHECK(bucket.try_acquire(1, t0).admitted == (carry == TokenCarry::reset));
        bucket.reconfigure({.tokens = 999'999'937, .period = 1s, .burst = 1}, carry, t0);
        CHECK(bucket.try_acquire(1, t0).admitted == (carry == TokenCarry::reset));
    }
}

TEST_CASE("a reservation from before stands, but cannot be refunded") {
    TokenBucket bucket{kTen};
    const Reservation r = bucket.reserve(4, t0);
    bucket.reconfigure(kForty, TokenCarry::additive, t0);
    CHECK_FALSE(bucket.refund(r, t0));
    CHECK(bucket.snapshot(t0).available == 36);
    const Reservation s = bucket.reserve(4, t0);
    CHECK(bucket.refund(s, t0));
    bucket.reconfigure(kTen, TokenCarry::additive, t0);
    bucket.reconfigure(kForty, TokenCarry::additive, t0);
    CHECK_FALSE(bucket.refund(s, t0));
}

TEST_CASE("options out of range are refused, and the bucket stays what it was") {
    TokenBucket bucket{kTen};
    CHECK(bucket.try_acquire(3, t0));
    const TokenBucketOptions bad[] = {{.tokens = 0}, {.period = 0s}, {.burst = 0}};
    for (const TokenBucketOptions& o : bad) {
        CHECK_THROWS_AS(
            bucket.reconfigure(o, TokenCarry::reset, t0), std::invalid_argument
        );
    }
    CHECK(bucket.options() == kTen);
    CHECK(bucket.snapshot(t0).available == 7);
}

TEST_CASE("a clock that is late, or ages ahead, changes the options without harm") {
    TokenBucket bucket{kTen};
    CHECK(bucket.try_acquire(10, t0));
    bucket.reconfigure(kForty, TokenCarry::as_is, t0 - 30min);
    CHECK_FALSE(bucket.try_acquire(1, t0 - 30min));
    bucket.reconfigure(kTen, TokenCarry::as_is, TimePoint::min());
    bucket.reconfigure(kTen, TokenCarry::as_is, TimePoint::max());
    CHECK(bucket.snapshot(TimePoint::max()).available == 10);
    CHECK(bucket.try_acquire(10, TimePoint::max()));
    CHECK_FALSE(bucket.try_acquire(1, TimePoint::max()));
}

TEST_CASE("P8: a clock that is a century late brings back nothing when it changes options"
) {
    const TimePoint late{};
    const TimePoint then = late + 24h * 36'500;
    TokenBucket bucket{kTen};
    CHECK(bucket.try_acquire(10, then));
    bucket.reconfigure(kTen, TokenCarry::as_is, late);
    CHECK_FALSE(bucket.try_acquire(1, then));
    CHECK(bucket.try_acquire(10, then + 24h * 365));
}

TEST_CASE("options that change at the beginning of time leave a bucket usable at its end"
) {
    for (const TokenBucketOptions& options : {
             TokenBucketOptions{.tokens = 50, .period = 1s, .burst = 10},
             TokenBucketOptions{.tokens = 1, .period = 24h * 365, .burst = 10},
             TokenBucketOptions{.tokens = 999'999'937, .period = 1s, .burst = 10},
         }) {
        TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 10}};
        bucket.reconfigure(options, TokenCarry::as_is, TimePoint::min());
        CHECK(bucket.snapshot(TimePoint::max()).available == 10);
        CHECK(bucket.try_acquire(10, TimePoint::max()));
        CHECK_FALSE(bucket.try_acquire(1, TimePoint::max()));
    }
}

TEST_CASE("P8: no change of options gives anyone more than it says, for any options") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Random random{50'000 + seed};
        INFO("seed " << random.seed);
        // Rates whose clock has steps of 1 ns: the oracle knows no others.
        const auto any = [&random] {
            for (;;) {
                const TokenBucketOptions o{
                    .tokens = static_cast<std::uint32_t>(random.of_any_size(999'999'937)),
                    .period = 1s,
                    .burst = static_cast<std::uint32_t>(random.of_any_size(1 << 20))};
                if (TokenBucket{o}.resolution() == 1ns) return o;
            }
        };
        ChangingOracle oracle{any()};
        TokenBucket bucket{oracle.options};
        std::int64_t now = oracle.then = random.of_any_size(1'000'000'000'000'000);
        for (int step = 0; step < 200; ++step) {
            now += random.in(0, time_of(oracle.options.burst, oracle.options) / 2);
            oracle.move_to(now);
            if (random.one_in(5)) {
                const TokenBucketOptions o = any();
                const TokenCarry carry = kEach[random.in(0, 3)];
                bucket.reconfigure(o, carry, at(now));
                oracle.change(o, carry);
            }
            const LimiterSnapshot seen = bucket.snapshot(at(now));
            const BigInteger whole = oracle.level > 0 ? oracle.level / 1'000'000'000 : 0;
            REQUIRE(BigInteger{seen.available} <= whole);
            const auto n = std::uint32_t(random.of_any_size(oracle.options.burst));
            if (bucket.try_acquire(n, at(now))) {
                REQUIRE(oracle.level >= n * BigInteger{ChangingOracle::kToken});
                oracle.level -= n * BigInteger{ChangingOracle::kToken};
            }
        }
    }
}

TEST_CASE("P8: a tick that has begun when the options change does not earn") {
    // Its clock has steps of microseconds, in each of which thousands of tokens arrive.
    const TokenBucketOptions coarse{
        .tokens = 999'999'937, .period = 1s, .burst = 1u << 31};
    const auto tick = TokenBucket{coarse}.resolution();
    REQUIRE(tick > 1us);
    const TimePoint begins{3'600'000'000'000ns / tick * tick};
    TokenBucket bucket{kForty};
    CHECK(bucket.try_acquire(40, begins));
    bucket.reconfigure(coarse, TokenCarry::as_is, begins + tick - 1ns);
    CHECK(bucket.snapshot(begins + tick).available == 0);
    CHECK(bucket.snapshot(begins + 2 * tick).available > 1'000);
}

TEST_CASE("P8: a level carried over is the exact one, rounded down to a unit") {
    Random random{50'500};
    for (int i = 0; i < 5'000; ++i) {
        const detail::BucketLaw old = law_of(any_options(random));
        const detail::BucketLaw law = law_of(any_options(random));
        const std::int64_t level = random.one_in(2)
                                       ? random.in(0, old.capacity)
                                       : -random.of_any_size(4 * BucketWord::kUnit);
        const auto floored = [](BigInteger a, BigInteger b) {
            return a >= 0 ? a / b : -((-a + b - 1) / b);
        };
        const BigInteger same = floored(BigInteger{level} * law.token, old.token);
        const BigInteger share = floored(BigInteger{level} * law.capacity, old.capacity);
        const BigInteger missing =
            floored((BigInteger{level} - old.capacity) * law.token, old.token);
        const BigInteger exact[] = {
            std::min<BigInteger>(same, law.capacity),
            level < 0 ? same : share,
            law.capacity + missing,
            law.capacity};
        for (const TokenCarry carry : kEach) {
            const BigInteger due = exact[static_cast<int>(carry)];
            const BigInteger got = detail::carried_level(carry, old, level, law);
            // Debt of ages is the same however many.
            const BigInteger ages = -3 * BigInteger{BucketWord::kUnit};
            REQUIRE(std::max(got, ages) == std::max(due, ages));
        }
    }
}

TEST_CASE("P8: going to and fro at one instant never makes tokens") {
    for (const TokenCarry carry :
         {TokenCarry::as_is, TokenCarry::proportional, TokenCarry::additive}) {
        Random random{51'000};
        TokenBucket bucket{kForty};
        CHECK(bucket.try_acquire(27, t0));
        std::uint32_t before = 13;
        for (int i = 0; i < 200; ++i) {
            const auto tokens = static_cast<std::uint32_t>(random.of_any_size(1'000'003));
            const auto burst = static_cast<std::uint32_t>(random.of_any_size(1 << 20));
            bucket.reconfigure({.tokens = tokens, .burst = burst}, carry, t0 + 1ns * i);
            bucket.reconfigure(kForty, carry, t0 + 1ns * i);
            const std::uint32_t now = bucket.snapshot(t0).available;
            REQUIRE(now <= before);
            before = now;
        }
    }
}

TEST_CASE("P8: threads take no token twice while the options change") {
    TokenBucket bucket{{.tokens = 1, .period = 24h, .burst = 50'000}};
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> taken{0};
    std::vector<std::thread> takers;
    for (int i = 0; i < 3; ++i) {
        takers.emplace_back([&, i] {
            std::uint64_t mine = 0;
            while (!done) {
                mine += i == 0 ? bucket.acquire_up_to(3, t0)
                               : std::uint32_t{bucket.try_acquire(1, t0).admitted};
                const std::uint32_t burst = bucket.options().burst;
                if (burst != 50'000 && burst != 60'000) mine += 1'000'000;
            }
            taken += mine;
        });
    }
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        bucket.reconfigure(
            {.tokens = 1 + i % 7, .period = 24h, .burst = i % 2 ? 50'000u : 60'000u},
            TokenCarry::as_is,
            t0
        );
    }
    done = true;
    for (std::thread& t : takers) t.join();
    CHECK(taken + bucket.snapshot(t0).available <= 50'000);
    // Each change may round the fraction of a token down, and there are no fractions
    // here.
    CHECK(taken + bucket.snapshot(t0).available >= 49'999);
}

TEST_CASE("a change of an empty bucket is overtaken by two of the law, and notices") {
    BucketWord bucket{law_of(kTen)};
    const auto replace = [&](const TokenBucketOptions& options) {
        bucket.replace_law(law_of(options), 0, [](const auto&, auto, const auto&, auto) {
            return std::int64_t{0};
        });
    };
    replace(kForty);
    replace(kTen);
    std::vector<std::uint32_t> bursts;
    bucket.update(0, [&](const BucketWord::View& view) {
        bursts.push_back(view.law.burst);
        if (bursts.size() == 1) {
            replace(kForty);
            replace({.tokens = 10, .period = 1s, .burst = 20});
        }
        return detail::Decision<bool>{true, view.zero, true};
    });
    CHECK(bursts == std::vector{10u, 20u});
}

TEST_CASE("a taking that is overtaken by a change decides again by the new law") {
    BucketWord bucket{law_of(kTen)};
    int looks = 0;
    const bool fits = bucket.update(0, [&](const BucketWord::View& view) {
        if (++looks == 1) {
            bucket.replace_law(
                law_of({.tokens = 1, .burst = 3}),
                0,
                [](const auto&, std::int64_t, const auto& law, auto) {
                    return law.capacity;
                }
            );
        }
        const bool there = view.law.taken(view.zero, view.now, 5) <= view.now;
        return detail::Decision<bool>{
            there, view.law.taken(view.zero, view.now, 5), there};
    });
    CHECK(looks == 2);
    CHECK_FALSE(fits);
}

TEST_CASE("numbers are multiplied and divided without loss, and divided by known ones") {
    Random random{52'000};
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < 100'000; ++i) {
        const std::int64_t a = random.of_any_size(most), b = random.of_any_size(most);
        const std::int64_t c = random.of_any_size(most);
        const BigInteger exact = BigInteger{a} * b / c;
        REQUIRE(
            BigInteger{detail::multiply_divide(a, b, c)} ==
            std::min<BigInteger>(exact, most)
        );
        REQUIRE(detail::Divisor(static_cast<std::uint64_t>(c)).divide(a) == a / c);
        REQUIRE(detail::Divisor(static_cast<std::uint64_t>(c)).divide(most) == most / c);
        const std::int64_t edge = std::max<std::int64_t>(a / c, 1) * c;
        REQUIRE(detail::Divisor(static_cast<std::uint64_t>(c)).divide(edge) == edge / c);
        REQUIRE(
            detail::Divisor(static_cast<std::uint64_t>(c)).divide(edge - 1) ==
            (edge - 1) / c
        );
    }
    CHECK(detail::Divisor{1}.divide(most) == most);
    CHECK(detail::multiply_divide(0, most, 1) == 0);
}
