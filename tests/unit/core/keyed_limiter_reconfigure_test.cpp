// SPDX-License-Identifier: MIT
#include <resilience/keyed_limiter.hpp>
#include <resilience/registry.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr std::array<std::uint64_t, 2> kSecret{21, 22};

template <class Limiter>
using OptionsOf = BasicKeyedLimiterOptions<typename Limiter::Options>;

template <class Limiter>
OptionsOf<Limiter> with(const typename Limiter::Options& limit) {
    return {.limit = limit, .keys = 64, .hash_key = kSecret};
}

template <class Limiter>
std::string refusal(
    BasicKeyedLimiter<Limiter>& limiter, const OptionsOf<Limiter>& options, TimePoint now
) {
    try {
        limiter.reconfigure(options, now);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

constexpr BigInteger kToken = 1'000'000'000;
constexpr TokenBucketOptions kTen{.tokens = 10, .period = 1s, .burst = 10};
constexpr TokenBucketOptions kFast{.tokens = 77, .period = 1s, .burst = 40};
constexpr TokenBucketOptions kHourly{.tokens = 1, .period = 1h, .burst = 5};

}  // namespace

TEST_CASE("each key keeps its tokens and gets the new rate and burst") {
    KeyedLimiter limiter{with<TokenBucket>(kTen), t0};
    CHECK(limiter.try_acquire("a", 7, t0));
    CHECK(limiter.try_acquire("b", 10, t0));
    limiter.reconfigure(with<TokenBucket>(kHourly), t0);
    CHECK(limiter.options().limit == kHourly);
    CHECK(limiter.options().keys == 64);
    CHECK(limiter.snapshot("a", t0).available == 3);
    CHECK(limiter.snapshot("c", t0) == LimiterSnapshot{.limit = 5, .available = 5});
    CHECK(limiter.try_acquire("b", 1, t0) == Admission::refuse(1h));
    CHECK(limiter.try_acquire("b", 1, t0 + 1h));
    limiter.reconfigure(with<TokenBucket>(kFast), t0 + 1h);
    CHECK(limiter.try_acquire("a", 4, t0 + 1h));
    CHECK_FALSE(limiter.try_acquire("a", 77, t0 + 2h));
    CHECK_FALSE(limiter.try_acquire("b", 20, t0 + 1h + 259ms));
    CHECK(limiter.try_acquire("b", 20, t0 + 1h + 260ms));
    CHECK(limiter.snapshot("b", t0 + 2h).available == 40);
}

TEST_CASE("P8: going to and fro gives no key a token") {
    KeyedLimiter limiter{with<TokenBucket>(kTen), t0};
    CHECK(limiter.try_acquire("a", 7, t0));
    CHECK(limiter.try_acquire("b", 10, t0));
    for (int i = 0; i < 100; ++i) {
        const TimePoint now = t0 + 1ns * i;
        limiter.reconfigure(with<TokenBucket>(i % 2 == 0 ? kHourly : kFast), now);
        limiter.reconfigure(with<TokenBucket>(kTen), now);
        REQUIRE(limiter.snapshot("a", now).available == 3);
        REQUIRE(limiter.snapshot("b", now).available == 0);
    }
}

TEST_CASE("a leaky bucket of a table keeps what is in it") {
    const LeakyBucketOptions small{.units = 10, .period = 1s, .capacity = 5};
    const LeakyBucketOptions large{.units = 20, .period = 1s, .capacity = 50};
    BasicKeyedLimiter<LeakyBucket> limiter{with<LeakyBucket>(small), t0};
    CHECK(limiter.try_acquire("a", 4, t0));
    limiter.reconfigure(with<LeakyBucket>(large), t0);
    CHECK(limiter.try_acquire("a", 1, t0) == Admission::refuse(200ms));
    CHECK(limiter.try_acquire("b", 40, t0));
    limiter.reconfigure(with<LeakyBucket>(small), t0);
    CHECK(limiter.peek("a", 1, t0) == Admission::refuse(400ms));
    CHECK(limiter.peek("b", 1, t0) == Admission::refuse(4s));
    CHECK(limiter.try_acquire("c", 5, t0));
    CHECK(limiter.try_acquire("b", 5, t0 + 4s));
}

TEST_CASE("windows of a table take another limit, and count what was taken") {
    const auto check = [](auto limiter_of) {
        using Limiter = typename decltype(limiter_of)::type;
        BasicKeyedLimiter<Limiter> limiter{
            with<Limiter>({.limit = 10, .window = 1s}), t0};
        CHECK(limiter.try_acquire("a", 8, t0));
        const Reservation mine = limiter.reserve("a", 1, t0);
        limiter.reconfigure(with<Limiter>({.limit = 3, .window = 1s}), t0);
        CHECK(limiter.peek("a", 1, t0).retry_after >= 1s);
        CHECK(limiter.snapshot("a", t0).available == 0);
        CHECK(limiter.snapshot("b", t0).available == 3);
        CHECK(limiter.try_acquire("a", 4, t0).retry_after == Admission::never);
        limiter.reconfigure(with<Limiter>({.limit = 900, .window = 1s}), t0);
        CHECK(limiter.snapshot("a", t0).available == 891);
        CHECK(limiter.refund("a", mine, t0));
        CHECK(limiter.snapshot("a", t0).available == 892);
        const auto other = with<Limiter>({.limit = 900, .window = 2s});
        CHECK(refusal(limiter, other, t0) == "KeyedLimiterOptions::limit.window");
        CHECK(limiter.options().limit.limit == 900);
    };
    check(std::type_identity<SlidingWindow>{});
    check(std::type_identity<FixedWindow>{});
    BasicKeyedLimiter<FixedWindow> limiter{with<FixedWindow>({}), t0};
    const auto other = with<FixedWindow>({.offset = 1ms});
    CHECK(refusal(limiter, other, t0) == "KeyedLimiterOptions::limit.offset");
}

TEST_CASE("a window of the table that was full by a higher limit weighs as a full one") {
    BasicKeyedLimiter<SlidingWindow> limiter{
        with<SlidingWindow>({.limit = 100, .window = 1s}), t0};
    CHECK(limiter.try_acquire("a", 100, t0));
    limiter.reconfigure(with<SlidingWindow>({.limit = 10, .window = 1s}), t0);
    CHECK(limiter.peek("a", 5, t0).retry_after == 1500ms);
    CHECK(limiter.snapshot("a", t0 + 1500ms).available == 5);
    CHECK(limiter.peek("a", 6, t0 + 1500ms) == Admission::refuse(100ms));
    limiter.reconfigure(with<SlidingWindow>({.limit = 100, .window = 1s}), t0);
    CHECK(limiter.snapshot("a", t0 + 1500ms).available == 50);
}

TEST_CASE("what a key had reserved before a change does not come back") {
    KeyedLimiter limiter{with<TokenBucket>(kTen), t0};
    const Reservation mine = limiter.reserve("a", 5, t0);
    const Reservation nothing = limiter.reserve("a", 0, t0);
    limiter.reconfigure(with<TokenBucket>(kFast), t0);
    CHECK_FALSE(limiter.refund("a", mine, t0));
    CHECK(limiter.refund("a", nothing, t0));
    const Reservation later = limiter.reserve("a", 2, t0);
    CHECK(limiter.refund("a", later, t0));
    limiter.reconfigure(with<TokenBucket>(kTen), t0);
    CHECK_FALSE(limiter.refund("a", mine, t0));

    const LeakyBucketOptions leaky{.units = 10, .period = 1s, .capacity = 5};
    BasicKeyedLimiter<LeakyBucket> pace{with<LeakyBucket>(leaky), t0};
    const Reservation last = pace.reserve("a", 2, t0);
    pace.reconfigure(with<LeakyBucket>({.units = 20, .period = 1s, .capacity = 5}), t0);
    CHECK_FALSE(pace.refund("a", last, t0));
}

TEST_CASE("what a table cannot change in use is refused by name, and it stays as it was"
) {
    KeyedLimiter limiter{with<TokenBucket>(kTen), t0};
    CHECK(limiter.try_acquire("a", 4, t0));
    auto options = with<TokenBucket>(kFast);
    options.keys = 65;
    CHECK(refusal(limiter, options, t0) == "KeyedLimiterOptions::keys");
    options = with<TokenBucket>(kFast);
    options.hash_key.reset();
    CHECK(refusal(limiter, options, t0) == "KeyedLimiterOptions::hash_key");
    options = with<TokenBucket>(kFast);
    options.memory = std::pmr::null_memory_resource();
    CHECK(refusal(limiter, options, t0) == "KeyedLimiterOptions::memory");
    const auto refused = [&](const TokenBucketOptions& limit) {
        return refusal(limiter, with<TokenBucket>(limit), t0);
    };
    CHECK(refused({.max_debt = 1}) == "KeyedLimiterOptions::limit.max_debt");
    CHECK(refused({.tokens = 0}) == "TokenBucketOptions::tokens");
    CHECK(refused({.burst = 0}) == "TokenBucketOptions::burst");
    CHECK(refused({.tokens = 1'000'000}) == "TokenBucketOptions::tokens");
    CHECK(refused({.tokens = 1, .period = 24h * 365}) == "TokenBucketOptions::tokens");
    CHECK(limiter.options().limit == kTen);
    CHECK(limiter.snapshot("a", t0).available == 6);
    CHECK(limiter.refund("a", limiter.reserve("a", 1, t0), t0));

    KeyedLimiter hourly{with<TokenBucket>(kHourly), t0};
    const TokenBucketOptions large{.tokens = 1, .period = 1h, .burst = 1u << 31};
    CHECK(refusal(hourly, with<TokenBucket>(large), t0) == "TokenBucketOptions::burst");
}

TEST_CASE("a table may become ten times as fast, and its clock runs for ten years more") {
    for (const std::uint32_t tokens : {1u, 100u, 9'999u, 1'000'000u}) {
        KeyedLimiter limiter{with<TokenBucket>({.tokens = tokens, .burst = 10}), t0};
        const TokenBucketOptions fast{.tokens = 10 * tokens, .burst = 10};
        limiter.reconfigure(with<TokenBucket>(fast), t0);
        const TimePoint late = t0 + 24h * 3650;
        CHECK(limiter.try_acquire("a", 10, late));
        CHECK_FALSE(limiter.try_acquire("a", 1, late));
        CHECK(limiter.try_acquire("a", 10, late + 1s));
    }
}

TEST_CASE("P8: a table that is changed by a late clock gives nothing twice") {
    KeyedLimiter limiter{with<TokenBucket>(kTen), t0};
    CHECK(limiter.try_acquire("a", 10, t0));
    const std::chrono::nanoseconds late_by[] = {1ns, 1ms, 24h * 365 * 50};
    for (const auto late : late_by) {
        limiter.reconfigure(with<TokenBucket>(kFast), t0 - late);
        CHECK(limiter.snapshot("a", t0).available == 0);
        limiter.reconfigure(with<TokenBucket>(kTen), t0);
        CHECK(limiter.snapshot("a", t0).available == 0);
    }
    limiter.reconfigure(with<TokenBucket>(kHourly), t0 + 1s);
    CHECK(limiter.snapshot("a", t0 + 1s).available == 5);
    limiter.reconfigure(with<TokenBucket>(kFast), t0);
    CHECK(limiter.try_acquire("a", 5, t0 + 1s));
}

TEST_CASE("a table is changed a thousand times, and as often as one likes to what it is"
) {
    KeyedLimiter limiter{with<TokenBucket>(kTen), t0};
    for (int i = 0; i < 1'000; ++i) {
        limiter.reconfigure(with<TokenBucket>(i % 2 == 0 ? kFast : kTen), t0);
        limiter.reconfigure(limiter.options(), t0);
    }
    CHECK_THROWS_AS(limiter.reconfigure(with<TokenBucket>(kFast), t0), std::length_error);
    CHECK(limiter.options().limit == kTen);
}

TEST_CASE("a registry changes the limit of a table") {
    Registry registry;
    const auto limiter = std::make_shared<KeyedLimiter>(with<TokenBucket>(kTen), t0);
    REQUIRE_FALSE(registry.add("users", limiter));
    auto options = limiter->options();
    options.limit = kFast;
    CHECK(registry.reconfigure<KeyedLimiter>("users", options));
    CHECK(limiter->options().limit == kFast);
    options.keys = 1;
    CHECK_THROWS_AS(
        registry.reconfigure<KeyedLimiter>("users", options), std::invalid_argument
    );
}

TEST_CASE("P8: a key has no more than what it left and what has arrived since") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random{25'000 + seed};
        INFO("seed " << random.seed);
        const auto any = [&random] {
            return TokenBucketOptions{
                .tokens = static_cast<std::uint32_t>(random.in(100, 999)),
                .period = 1s,
                .burst = static_cast<std::uint32_t>(random.in(1, 500))};
        };
        TokenBucketOptions limit = any();
        std::int64_t now = random.of_any_size(1'000'000'000'000'000);
        KeyedLimiter limiter{with<TokenBucket>(limit), at(now)};
        // Tokens that ever arrived, and how many had when the bucket was last empty.
        BigInteger arrived = 0, zero = -1'000 * kToken;
        for (int step = 0; step < 200; ++step) {
            const std::int64_t passed = random.in(0, 300'000'000);
            now += passed;
            arrived += BigInteger{limit.tokens} * passed;
            if (random.one_in(5)) {
                limit = any();
                limiter.reconfigure(with<TokenBucket>(limit), at(now));
            }
            const BigInteger most = BigInteger{limit.burst} * kToken;
            const BigInteger level = std::min(most, arrived - zero);
            const LimiterSnapshot seen = limiter.snapshot("a", at(now));
            REQUIRE(seen.limit == limit.burst);
            REQUIRE(BigInteger{seen.available} <= level / kToken);
            REQUIRE(BigInteger{seen.available} + 2 > level / kToken);
            const auto n = static_cast<std::uint32_t>(random.in(1, limit.burst));
            if (!limiter.try_acquire("a", n, at(now))) continue;
            zero = std::max(zero, arrived - most) + n * kToken;
        }
    }
}

TEST_CASE("P8: threads take no token of a key twice while its limit changes") {
    const TokenBucketOptions hourly{.tokens = 1, .period = 1h, .burst = 50'000};
    const TokenBucketOptions faster{.tokens = 3, .period = 1h, .burst = 60'000};
    KeyedLimiter limiter{with<TokenBucket>(hourly), t0};
    REQUIRE(limiter.try_acquire("a", 10'000, t0));
    std::atomic<std::uint32_t> taken{10'000};
    std::vector<std::thread> takers;
    for (int i = 0; i < 3; ++i) {
        takers.emplace_back([&] {
            std::uint32_t mine = 0;
            for (int call = 0; call < 20'000; ++call) {
                mine += limiter.try_acquire("a", 1, t0).admitted ? 1u : 0u;
                const std::uint32_t burst = limiter.options().limit.burst;
                if (burst != 50'000 && burst != 60'000) mine += 1'000'000;
            }
            taken += mine;
        });
    }
    for (int i = 0; i < 1'000; ++i) {
        limiter.reconfigure(with<TokenBucket>(i % 2 == 0 ? faster : hourly), t0);
    }
    for (std::thread& t : takers) t.join();
    CHECK(taken + limiter.snapshot("a", t0).available == 50'000);
}
