// SPDX-License-Identifier: MIT
#include <resilience/keyed_limiter.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr std::array<std::uint64_t, 2> kSecret{1, 2};

KeyedLimiterOptions ten_per_second(std::size_t keys = 1000) {
    return {
        .limit = {.tokens = 10, .period = 1s, .burst = 10},
        .keys = keys,
        .hash_key = kSecret};
}

std::string refusal(const KeyedLimiterOptions& options) {
    try {
        KeyedLimiter{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("each key has a bucket of its own") {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.try_acquire("ann", 10, t0));
    CHECK(limiter.try_acquire("ann", 1, t0) == Admission::refuse(100ms));
    CHECK(limiter.try_acquire("bob", 10, t0));
    CHECK(limiter.try_acquire(std::string{"cid"}, 10, t0));
    CHECK(limiter.try_acquire(7, 10, t0));
    CHECK(limiter.try_acquire(std::uint64_t{8}, 10, t0));
    CHECK_FALSE(limiter.try_acquire(7u, 1, t0));
    CHECK(limiter.snapshot("ann", t0 + 250ms).available == 2);
    CHECK(limiter.snapshot("nobody", t0).available == 10);
    CHECK(limiter.try_acquire("", 10, t0));
    CHECK_FALSE(limiter.try_acquire("", 1, t0));
}

TEST_CASE("a number is not the text of its eight bytes") {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.try_acquire("aaaaaaaa", 10, t0));
    CHECK(limiter.try_acquire(0x6161616161616161, 10, t0));
}

TEST_CASE(
    "a key that wants more than the burst is refused for ever; nothing is always admitted"
) {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.try_acquire("ann", 11, t0) == Admission::refuse(Admission::never));
    CHECK(limiter.peek("ann", 11, t0) == Admission::refuse(Admission::never));
    CHECK(limiter.reserve("ann", 11, t0).wait == Admission::never);
    CHECK(limiter.try_acquire("ann", 10, t0));
    CHECK(limiter.try_acquire("ann", 0, t0));
    CHECK(limiter.reserve("ann", 0, t0).granted);
    CHECK(limiter.stats(t0).keys == 1);
}

TEST_CASE("what asks or is refused takes no slot") {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.peek("ann", 10, t0));
    CHECK(limiter.snapshot("ann", t0).until_full == 0s);
    CHECK(limiter.charge("ann", 0, t0) == 0s);
    CHECK(limiter.reset("ann", t0));
    CHECK(limiter.stats(t0).keys == 0);
}

TEST_CASE("charge, refund and reset work on one key") {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.charge("ann", 30, t0) == 2s);
    CHECK_FALSE(limiter.try_acquire("ann", 1, t0 + 2s));
    CHECK(limiter.try_acquire("bob", 1, t0));
    CHECK(limiter.reset("ann", t0));
    CHECK(limiter.snapshot("ann", t0).available == 10);

    const Reservation r = limiter.reserve("ann", 4, t0);
    CHECK(limiter.snapshot("ann", t0).available == 6);
    CHECK(limiter.refund("ann", r, t0));
    CHECK(limiter.snapshot("ann", t0).available == 10);
    CHECK_FALSE(limiter.refund("ann", Reservation{}, t0));
}

TEST_CASE("a refund forfeits what refill has replaced, and all of it after a reset") {
    KeyedLimiter limiter{ten_per_second(), t0};
    const Reservation r = limiter.reserve("ann", 5, t0);
    CHECK(limiter.try_acquire("ann", 3, t0 + 300ms));
    CHECK_FALSE(limiter.refund("ann", r, t0 + 300ms));
    CHECK(limiter.snapshot("ann", t0 + 300ms).available == 7);

    const Reservation s = limiter.reserve("bob", 10, t0);
    CHECK(limiter.reset("bob", t0));
    CHECK(limiter.try_acquire("bob", 10, t0));
    CHECK_FALSE(limiter.refund("bob", s, t0));
    CHECK_FALSE(limiter.try_acquire("bob", 1, t0));

    const Reservation gone = limiter.reserve("cid", 10, t0);
    CHECK_FALSE(limiter.refund("cid", gone, t0 + 1h));
}

TEST_CASE("P12: a group takes every part or none") {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.charge("tenant", 9, t0) == 0s);
    const KeyedRequest three[] = {{"user", 2}, {"tenant", 3}, {"global", 1}};
    CHECK(limiter.try_acquire_all(three, t0) == Admission::refuse(200ms));
    CHECK(limiter.snapshot("user", t0).available == 10);
    CHECK(limiter.snapshot("tenant", t0).available == 1);
    CHECK(limiter.snapshot("global", t0).available == 10);
    CHECK(limiter.try_acquire_all(three, t0 + 200ms));
    CHECK(limiter.snapshot("user", t0 + 200ms).available == 8);
    CHECK(limiter.snapshot("tenant", t0 + 200ms).available == 0);
    CHECK(limiter.try_acquire_all({}, t0));
    const std::vector<KeyedRequest> many(limiter.kMostRequests + 1, three[0]);
    CHECK(limiter.try_acquire_all(many, t0 + 1h).retry_after == Admission::never);
}

TEST_CASE("P12: the wait of a group is the longest of its parts") {
    KeyedLimiter limiter{ten_per_second(), t0};
    limiter.charge("a", 10, t0);
    limiter.charge("b", 15, t0);
    const KeyedRequest both[] = {{"a", 1}, {"b", 1}};
    CHECK(limiter.try_acquire_all(both, t0) == Admission::refuse(600ms));
    const KeyedRequest hopeless[] = {{"a", 1}, {"c", 11}};
    CHECK(limiter.try_acquire_all(hopeless, t0).retry_after == Admission::never);
}

TEST_CASE("P12: a key named twice needs both shares; hundreds of keys are one group") {
    KeyedLimiter limiter{ten_per_second(), t0};
    const KeyedRequest twice[] = {{"a", 6}, {"a", 6}};
    CHECK(limiter.try_acquire_all(twice, t0) == Admission::refuse(200ms));
    CHECK(limiter.snapshot("a", t0).available == 10);

    std::vector<KeyedRequest> many;
    for (int i = 0; i < 500; ++i) many.push_back({i, 10});
    many.push_back({499, 1});
    CHECK_FALSE(limiter.try_acquire_all(many, t0));
    CHECK(limiter.stats(t0).keys == 0);
    many.pop_back();
    CHECK(limiter.try_acquire_all(many, t0));
    CHECK(limiter.stats(t0).keys == 500);
}

TEST_CASE("a table tells how full it is and forgets keys that are full again") {
    KeyedLimiter limiter{ten_per_second(1000), t0};
    for (int key = 0; key < 500; ++key) CHECK(limiter.try_acquire(key, 5, t0));
    CHECK(limiter.stats(t0).slots >= 1000);
    CHECK(limiter.stats(t0).keys == 500);
    CHECK(limiter.stats(t0).overflows == 0);
    CHECK(limiter.stats(t0 + 500ms).keys == 0);
}

TEST_CASE("a table of the promised size holds the promised keys") {
    KeyedLimiter limiter{ten_per_second(20'000), t0};
    for (int key = 0; key < 20'000; ++key) CHECK(limiter.try_acquire(key, 1, t0));
    CHECK(limiter.stats(t0).overflows < 20);
    CHECK(limiter.stats(t0).slots * 17 <= 20'000 * 24 + 8 * 17);
}

TEST_CASE(
    "keys without a slot share one strict bucket and keep their debt when they get one"
) {
    KeyedLimiter limiter{ten_per_second(1), t0};  // two groups of eight slots
    int admitted = 0;
    for (int key = 0; key < 1000; ++key) {
        admitted += limiter.try_acquire(key, 10, t0).admitted;
    }
    // Sixteen slots and two shared buckets, however many keys there are.
    CHECK(admitted <= 18);
    CHECK(limiter.stats(t0).overflows <= 2);
    CHECK(limiter.stats(t0).overflows >= 1);
    // No bucket is evicted: whoever has spent the burst stays refused.
    for (int key = 0; key < 1000; ++key) {
        CHECK_FALSE(limiter.try_acquire(key, 10, t0 + 999ms));
    }
    CHECK_FALSE(limiter.reset(std::uint64_t{1} << 40, t0));
    CHECK(limiter.try_acquire(5000, 10, t0 + 1s));
}

TEST_CASE("a late clock does not find a reclaimed key fresh") {
    KeyedLimiter limiter{ten_per_second(1), t0};
    CHECK(limiter.try_acquire("ann", 10, t0));
    // Sixteen others take all sixteen slots, hers too, once her bucket is full again.
    for (int key = 0; key < 16; ++key) CHECK(limiter.try_acquire(key, 10, t0 + 1s));
    CHECK(limiter.stats(t0 + 1s).overflows == 0);
    CHECK_FALSE(limiter.try_acquire("ann", 1, t0));
    CHECK(limiter.peek("ann", 10, t0 + 1s));
}

TEST_CASE("options of a table out of range are refused by name") {
    CHECK(refusal({.limit = {.max_debt = 1}}).find("max_debt") != std::string::npos);
    CHECK(refusal({.keys = 0}).find("KeyedLimiterOptions::keys") != std::string::npos);
    CHECK(
        refusal({.keys = std::size_t{1} << 35}).find("KeyedLimiterOptions::keys") !=
        std::string::npos
    );
    CHECK(
        refusal({.memory = nullptr}).find("KeyedLimiterOptions::memory") !=
        std::string::npos
    );
    CHECK(refusal({.limit = {.tokens = 0}}).find("tokens") != std::string::npos);
    CHECK(
        refusal({.limit = {.tokens = 999'999'937, .period = 1s}}).find("tokens") !=
        std::string::npos
    );
    CHECK(refusal({.keys = 1}).empty());
}

TEST_CASE("the tick is fine for usual rates, and the clock runs for 100 years") {
    struct Case {
        TokenBucketOptions limit;
        std::chrono::nanoseconds tick;
    };
    const Case cases[] = {
        {{.tokens = 100, .period = 1s, .burst = 100}, 1ns},
        {{.tokens = 1, .period = 24h, .burst = 10}, 1ns},
        {{.tokens = 1'000'000'000, .period = 1s, .burst = 1u << 31}, 1ns},
        {{.tokens = 7, .period = 1s, .burst = 10}, 10ns},
        {{.tokens = 1u << 27, .period = 1s, .burst = 1u << 27}, 1ms},
        {{.tokens = 999'983, .period = 1s, .burst = 1000}, 1ms},
    };
    for (const Case& c : cases) {
        CAPTURE(c.limit.tokens);
        KeyedLimiter limiter{{.limit = c.limit, .keys = 10}, t0};
        CHECK(limiter.resolution() <= c.tick);
        const TimePoint late = t0 + 24h * 365 * 100;
        const std::uint32_t n = c.limit.burst;
        CHECK(limiter.try_acquire("a", n, t0));
        CHECK_FALSE(limiter.try_acquire("a", n, t0));
        CHECK(limiter.try_acquire("a", n, late));
        const Admission refused = limiter.try_acquire("a", n, late);
        CHECK_FALSE(refused);
        CHECK_FALSE(limiter.peek("a", n, late + refused.retry_after - 1ns));
        CHECK(limiter.peek("a", n, late + refused.retry_after));
    }
}

TEST_CASE("clocks before construction and at the ends of time do no harm") {
    KeyedLimiter limiter{ten_per_second(), t0};
    CHECK(limiter.try_acquire("a", 10, TimePoint{}));
    CHECK_FALSE(limiter.try_acquire("a", 1, TimePoint{}));
    CHECK(limiter.try_acquire("a", 10, TimePoint{} + 1s));
    CHECK(limiter.try_acquire("b", 10, TimePoint::min()));
    CHECK(limiter.try_acquire("b", 1, TimePoint::min()).retry_after > 24h * 365 * 10);
    CHECK(limiter.try_acquire("b", 10, TimePoint::max()));
    CHECK_FALSE(limiter.try_acquire("b", 1, TimePoint::max()));
}

TEST_CASE("SipHash gives the published values") {
    // The test vectors of the paper's reference: key 00 01 .. 0f, input 00 01 .. of n
    // bytes.
    const detail::HashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::string input;
    for (char c = 0; c < 15; ++c) input += c;
    CHECK(detail::SipHash<2, 4>{key}("") == 0x726fdb47dd0e0e31);
    CHECK(detail::SipHash<2, 4>{key}(input) == 0xa129ca6149be45e5);
    const std::string eight = input.substr(0, 8);
    CHECK(
        detail::SipHash<1, 3>{key}(eight) ==
        detail::SipHash<1, 3>{key}(std::uint64_t{0x0706050403020100})
    );
}
