// SPDX-License-Identifier: MIT
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using resilience::Admission;
using resilience::Reservation;
using resilience::TimePoint;
using resilience::TokenBucket;
using resilience::TokenBucketOptions;
using resilience::TokenCarry;

namespace {

const TimePoint t0 = TimePoint{} + 1h;

std::string refusal(const TokenBucketOptions& options) {
    try {
        TokenBucket{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

bool names(const std::string& message, const char* field) {
    return message.find(field) != std::string::npos;
}

}  // namespace

TEST_CASE("a new bucket is full, gives its burst and then one token per period") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 10}};
    CHECK(bucket.snapshot(t0).available == 10);
    CHECK(bucket.snapshot(t0).until_full == 0s);
    for (int i = 0; i < 10; ++i) CHECK(bucket.try_acquire(1, t0));
    CHECK(bucket.try_acquire(1, t0) == Admission::refuse(1s));
    CHECK(bucket.try_acquire(3, t0 + 400ms) == Admission::refuse(2600ms));
    CHECK_FALSE(bucket.try_acquire(1, t0 + 1s - 1ns));
    CHECK(bucket.try_acquire(1, t0 + 1s));
    CHECK(bucket.snapshot(t0 + 1500ms).until_next == 500ms);
    CHECK(bucket.snapshot(t0 + 1500ms).until_full == 9500ms);
}

TEST_CASE("an admission is true when admitted, and never says that no wait helps") {
    CHECK(static_cast<bool>(Admission::admit()));
    CHECK_FALSE(static_cast<bool>(Admission::refuse(1s)));
    CHECK(Admission::refuse(1s).possible());
    CHECK_FALSE(Admission::refuse(Admission::never).possible());
    static_assert(!std::is_convertible_v<Admission, bool>);
    static_assert(!std::is_copy_constructible_v<TokenBucket>);
    static_assert(!std::is_move_constructible_v<TokenBucket>);
}

TEST_CASE("more than the burst is refused for ever, nothing is always admitted") {
    TokenBucket bucket{{.tokens = 5, .period = 1s, .burst = 10, .max_debt = 100}};
    CHECK(bucket.try_acquire(11, t0) == Admission::refuse(Admission::never));
    CHECK(bucket.peek(11, t0) == Admission::refuse(Admission::never));
    CHECK(bucket.reserve(11, t0).wait == Admission::never);
    CHECK(bucket.try_acquire(10, t0));
    CHECK(bucket.try_acquire(11, t0) == Admission::refuse(Admission::never));
    CHECK(bucket.try_acquire(0, t0));
    CHECK(bucket.peek(0, t0));
    CHECK(bucket.reserve(0, t0).granted);
    CHECK(bucket.acquire_up_to(0, t0) == 0);
    bucket.charge(1000, t0);
    CHECK(bucket.try_acquire(0, t0));
}

TEST_CASE("check and snapshot take nothing") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 3}};
    for (int i = 0; i < 5; ++i) {
        CHECK(bucket.peek(3, t0));
        CHECK(bucket.snapshot(t0).available == 3);
    }
    CHECK(bucket.try_acquire(2, t0));
    CHECK(bucket.peek(2, t0) == Admission::refuse(1s));
    CHECK(bucket.snapshot(t0).available == 1);
}

TEST_CASE("acquire_up_to takes what there is") {
    TokenBucket bucket{{.tokens = 2, .period = 1s, .burst = 10}};
    CHECK(bucket.acquire_up_to(4, t0) == 4);
    CHECK(bucket.acquire_up_to(100, t0) == 6);
    CHECK(bucket.acquire_up_to(100, t0) == 0);
    CHECK(bucket.acquire_up_to(100, t0 + 1700ms) == 3);
    CHECK(bucket.try_acquire(1, t0 + 2s));
}

TEST_CASE("reserve promises tokens in the order of the calls, within debt and wait") {
    TokenBucket bucket{{.tokens = 10, .period = 1s, .burst = 5, .max_debt = 3}};
    CHECK(bucket.reserve(5, t0).wait == 0s);
    const Reservation a = bucket.reserve(1, t0);
    const Reservation b = bucket.reserve(1, t0);
    CHECK(a.granted);
    CHECK(a.wait == 100ms);
    CHECK(a.start == t0 + 100ms);
    CHECK(b.start == t0 + 200ms);

    const Reservation late = bucket.reserve(1, t0, 250ms);
    CHECK_FALSE(late.granted);
    CHECK(late.wait == 50ms);
    const Reservation deep = bucket.reserve(3, t0);
    CHECK_FALSE(deep.granted);
    CHECK(deep.wait == 200ms);
    CHECK(bucket.reserve(3, t0 + 200ms).granted);
    CHECK_FALSE(bucket.refund(deep, t0));
}

TEST_CASE("reserve with a negative wait behaves as with none") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 1, .max_debt = 10}};
    CHECK(bucket.reserve(1, t0, -1h).granted);
    CHECK_FALSE(bucket.reserve(1, t0, -1h).granted);
    CHECK(bucket.reserve(1, t0, -1h).wait == 1s);
}

TEST_CASE("charge goes into debt without limit and tells when it is repaid") {
    TokenBucket bucket{{.tokens = 100, .period = 1s, .burst = 10}};
    CHECK(bucket.charge(10, t0) == 0s);
    CHECK(bucket.charge(500, t0) == 5s);
    CHECK(bucket.snapshot(t0).available == 0);
    CHECK(bucket.snapshot(t0).until_next == 5s + 10ms);
    CHECK(bucket.snapshot(t0).until_full == 5s + 100ms);
    CHECK(bucket.try_acquire(1, t0) == Admission::refuse(5s + 10ms));
    CHECK_FALSE(bucket.try_acquire(1, t0 + 5s));
    CHECK(bucket.try_acquire(1, t0 + 5s + 10ms));
}

TEST_CASE("charging for ever saturates and does not wrap around") {
    constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
    for (const std::uint32_t tokens : {1u, 999'999'937u}) {
        TokenBucket bucket{{.tokens = tokens, .period = 24h, .burst = 1u << 31}};
        for (int i = 0; i < 1000; ++i) bucket.charge(most, t0);
        CHECK_FALSE(bucket.try_acquire(1, t0 + 24h));
        CHECK(bucket.try_acquire(1, t0 + 24h).retry_after > 1h);
    }
}

TEST_CASE("refund gives back what was not used") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 10, .max_debt = 10}};
    const Reservation r = bucket.reserve(7, t0);
    CHECK(bucket.snapshot(t0).available == 3);
    CHECK(bucket.refund(r, t0));
    CHECK(bucket.snapshot(t0).available == 10);

    const Reservation all = bucket.reserve(10, t0);
    const Reservation waiting = bucket.reserve(2, t0);
    CHECK(bucket.refund(waiting, t0 + 1s));
    CHECK(bucket.reserve(2, t0 + 1s).start == t0 + 2s);
    CHECK(all.granted);
}

TEST_CASE("refund forfeits what has been replaced by refill since") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 10}};
    const Reservation r = bucket.reserve(5, t0);
    CHECK_FALSE(bucket.refund(r, t0 + 3s));  // 3 of the 5 would have overflowed
    CHECK(bucket.snapshot(t0 + 3s).available == 10);

    const Reservation s = bucket.reserve(5, t0 + 1h);
    CHECK(bucket.try_acquire(5, t0 + 1h + 3s));
    CHECK_FALSE(bucket.refund(s, t0 + 1h + 3s));
    CHECK(bucket.snapshot(t0 + 1h + 3s).available == 5);
    CHECK_FALSE(bucket.refund(s, t0 + 2h));
}

TEST_CASE("refund keeps what reservations that queue behind have been promised") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 10, .max_debt = 100}};
    CHECK(bucket.try_acquire(10, t0));
    const Reservation a = bucket.reserve(10, t0);
    const Reservation b = bucket.reserve(10, t0);
    CHECK(b.start == t0 + 20s);
    CHECK_FALSE(bucket.refund(a, t0));  // before b starts, the bucket will have been full
    CHECK(bucket.reserve(1, t0).start == t0 + 21s);
}

TEST_CASE("a refund waits for no one and empties no queue when requests are small") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 10, .max_debt = 100}};
    CHECK(bucket.try_acquire(10, t0));
    const Reservation a = bucket.reserve(1, t0);
    CHECK(bucket.reserve(1, t0).granted);
    CHECK(bucket.refund(a, t0));
    CHECK(bucket.reserve(1, t0).start == t0 + 2s);
}

TEST_CASE("reservations that are cancelled together leave no trace, in whatever order") {
    const TokenBucketOptions o{.tokens = 10, .period = 1s, .burst = 1, .max_debt = 50};
    std::vector<std::size_t> order(50);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::mt19937 random{54};
    for (int round = 0; round < 200; ++round) {
        TokenBucket bucket{o};
        CHECK(bucket.try_acquire(1, t0));
        std::vector<Reservation> waiting;
        for (std::size_t i = 0; i < order.size(); ++i) {
            waiting.push_back(bucket.reserve(1, t0));
        }
        CHECK(waiting.back().start == t0 + 5s);
        for (const std::size_t i : order) bucket.refund(waiting[i], t0);
        CHECK(bucket.try_acquire(1, t0).retry_after == 100ms);
        // In the order of their starts, against it, and then in any.
        if (round == 0) std::reverse(order.begin(), order.end());
        if (round > 0) std::shuffle(order.begin(), order.end(), random);
    }
}

TEST_CASE("a long reservation that was cancelled does not hold up later refunds") {
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 10, .max_debt = 10}};
    CHECK(bucket.try_acquire(10, t0));
    const Reservation far = bucket.reserve(10, t0);
    CHECK(far.start == t0 + 10h);
    CHECK(bucket.refund(far, t0));
    const Reservation near = bucket.reserve(1, t0 + 1h);
    CHECK(near.wait == 0s);
    CHECK(bucket.refund(near, t0 + 1h));
    CHECK(bucket.snapshot(t0 + 1h).available == 1);
    const Reservation waiting = bucket.reserve(2, t0 + 1h);
    CHECK(waiting.start == t0 + 2h);
    CHECK(bucket.refund(waiting, t0 + 1h));
    CHECK(bucket.snapshot(t0 + 1h).available == 1);
}

TEST_CASE("long reservations that were cancelled do not hold up who has one behind him") {
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 10, .max_debt = 30}};
    CHECK(bucket.try_acquire(10, t0));
    std::vector<Reservation> far;
    for (int i = 0; i < 3; ++i) far.push_back(bucket.reserve(10, t0));
    CHECK(far.back().start == t0 + 30h);
    for (const Reservation& r : far) bucket.refund(r, t0);
    const Reservation near = bucket.reserve(1, t0 + 1h);
    CHECK(near.wait == 0s);
    CHECK(bucket.charge(1, t0 + 1h) == 1h);
    CHECK(bucket.refund(near, t0 + 1h));
    CHECK(bucket.charge(0, t0 + 1h) == 0s);
}

TEST_CASE("a long reservation from before does not hold up refunds of later ones") {
    constexpr TokenBucketOptions slow{
        .tokens = 1, .period = 1h, .burst = 10, .max_debt = 10};
    for (const TokenCarry carry :
         {TokenCarry::as_is,
          TokenCarry::proportional,
          TokenCarry::additive,
          TokenCarry::reset}) {
        TokenBucket bucket{slow};
        bucket.charge(10, t0);
        CHECK(bucket.reserve(10, t0).start == t0 + 10h);
        bucket.reconfigure({.tokens = 10, .period = 1s, .burst = 10}, carry, t0);
        const TimePoint repaid = t0 + 2s;
        const Reservation r = bucket.reserve(10, repaid);
        CHECK(r.wait == 0s);
        CHECK(bucket.refund(r, repaid));
        CHECK(bucket.snapshot(repaid).available == 10);
    }
}

TEST_CASE("a refund does not heed debt that nobody queues for") {
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 10}};
    const Reservation r = bucket.reserve(5, t0);
    CHECK(bucket.charge(10, t0) == 5h);
    CHECK(bucket.refund(r, t0));
    CHECK(bucket.charge(0, t0) == 0s);
}

TEST_CASE("a refund heeds who queues behind it, however much others have returned") {
    constexpr std::uint32_t most = 1u << 31;
    TokenBucket bucket{{.tokens = 1, .period = 24h, .burst = most, .max_debt = 1}};
    const Reservation first = bucket.reserve(1, t0);
    for (int i = 0; i < 9; ++i) CHECK(bucket.refund(bucket.reserve(most - 1, t0), t0));
    CHECK(bucket.try_acquire(most - 1, t0));
    CHECK(bucket.reserve(1, t0).wait > 23h);
    CHECK_FALSE(bucket.refund(first, t0));
}

TEST_CASE("a refund heeds who queues behind a reservation that was cancelled") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 2, .max_debt = 10}};
    const Reservation first = bucket.reserve(2, t0);
    const Reservation cancelled = bucket.reserve(1, t0);
    CHECK(bucket.reserve(1, t0).start == t0 + 2s);
    CHECK(bucket.refund(cancelled, t0));
    CHECK_FALSE(bucket.refund(first, t0));
    // Of the two tokens that a full bucket has then, the one who starts uses the other.
    CHECK(bucket.snapshot(t0 + 2s).available == 1);
}

TEST_CASE("options out of range are refused by name") {
    CHECK(names(refusal({.tokens = 0}), "TokenBucketOptions::tokens"));
    CHECK(names(refusal({.period = 0s}), "TokenBucketOptions::period"));
    CHECK(names(refusal({.period = -1s}), "TokenBucketOptions::period"));
    CHECK(names(refusal({.burst = 0}), "TokenBucketOptions::burst"));
    // A prime number of nanoseconds has no coarser tick that keeps it exact.
    CHECK(names(
        refusal({.tokens = 1, .period = 86'400'000'000'029ns, .burst = 1u << 31}),
        "TokenBucketOptions::burst"
    ));
    CHECK(names(
        refusal({.tokens = 4'000'000'007u, .period = 1ns}), "TokenBucketOptions::tokens"
    ));
    // Debt is held like burst, and named in the sentence about it.
    const std::string debt =
        refusal({.tokens = 1, .period = 86'400'000'000'029ns, .burst = 1, .max_debt = ~0u}
        );
    CHECK(names(debt, "max_debt"));
    CHECK(refusal({}).empty());
}

TEST_CASE("options and resolution tell what the bucket was made with") {
    const TokenBucketOptions odd{
        .tokens = 600, .period = 60s, .burst = 77, .max_debt = 5};
    CHECK(TokenBucket{odd}.options() == odd);
    CHECK(TokenBucket{odd}.resolution() == 1ns);
    const TokenBucketOptions slow{.tokens = 1, .period = 24h, .burst = 1u << 31};
    CHECK(TokenBucket{slow}.options() == slow);
    CHECK(TokenBucket{slow}.resolution() > 1ns);
    CHECK(TokenBucket{slow}.resolution() <= 10ms);
}

TEST_CASE("edge policies work at clock zero, after ten years and in 2026 as Unix time") {
    const TokenBucketOptions edges[] = {
        {.tokens = 1, .period = 24h, .burst = 1},
        {.tokens = 1, .period = 24h, .burst = 1u << 31},
        {.tokens = 1'000'000'000, .period = 1s, .burst = 1u << 31},
        {.tokens = 1'000'000'000, .period = 1s, .burst = 1},
        {.tokens = 999'999'937, .period = 1s, .burst = 1'000'003},
        {.tokens = 700'001, .period = 1s, .burst = 1},
        {.tokens = 7, .period = 999'983ns, .burst = 13},
    };
    const std::int64_t years = 365LL * 24 * 3600 * 1'000'000'000;
    for (const TokenBucketOptions& o : edges) {
        for (const std::int64_t start :
             {std::int64_t{0}, -years, 10 * years, 56 * years}) {
            CAPTURE(o.tokens);
            CAPTURE(o.burst);
            CAPTURE(start);
            TokenBucket bucket{o};
            TimePoint now = resilience::testing::at(start);
            CHECK(bucket.try_acquire(o.burst, now));
            for (int i = 0; i < 100; ++i) {
                const Admission refused = bucket.try_acquire(o.burst, now);
                REQUIRE_FALSE(refused);
                REQUIRE(refused.retry_after > 0ns);
                if (refused.retry_after > 1h * 24 * 365) break;
                REQUIRE_FALSE(bucket.peek(o.burst, now + refused.retry_after - 1ns));
                now += refused.retry_after;
                REQUIRE(bucket.try_acquire(o.burst, now));
            }
        }
    }
}

TEST_CASE("a clock outside 146 years stands still and does no harm") {
    TokenBucket bucket{{.tokens = 1, .period = 1s, .burst = 2}};
    CHECK(bucket.try_acquire(2, TimePoint::min()));
    CHECK_FALSE(bucket.try_acquire(1, TimePoint::min()));
    CHECK(bucket.try_acquire(2, TimePoint::max()));
    CHECK_FALSE(bucket.try_acquire(1, TimePoint::max()));
    CHECK(bucket.try_acquire(1, TimePoint::max()).retry_after == 1s);
    const Admission old = bucket.try_acquire(1, TimePoint::min());
    CHECK_FALSE(old);
    CHECK(old.retry_after > 24h);
}

TEST_CASE("a clock far behind the others only sees less") {
    TokenBucket bucket{{.tokens = 999'999'937, .period = 1s, .burst = 1000}};
    CHECK(bucket.try_acquire(1, t0 + 24h * 3650));
    const Admission old = bucket.try_acquire(1, t0);
    CHECK_FALSE(old);
    CHECK(bucket.acquire_up_to(10, t0) == 0);
    // Its wait is long enough, though not the least.
    CHECK(bucket.try_acquire(1, t0 + old.retry_after));
}
