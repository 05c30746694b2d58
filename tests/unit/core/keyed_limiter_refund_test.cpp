// SPDX-License-Identifier: MIT
#include <resilience/detail/keyed_law.hpp>

#include <functional>

namespace resilience::testing {

/// A limit that calls somebody in the midst of each attempt to undo a taking, when the
/// word has been read and has not been changed.
struct OvertakenLimit {
    TokenBucketOptions bucket;
    std::function<void()> in_undo;

    friend bool operator==(const OvertakenLimit& a, const OvertakenLimit& b) {
        return a.bucket == b.bucket;
    }
};

struct OvertakenLimiter {
    using Options = OvertakenLimit;
};

struct OvertakenLaw : detail::KeyedBucketLaw {
    std::function<void()> in_undo;

    Undoing undo(
        std::int64_t word,
        const detail::Receipt& receipt,
        std::uint64_t returned,
        std::int64_t ns
    ) const noexcept {
        if (in_undo) in_undo();
        return KeyedBucketLaw::undo(word, receipt, returned, ns);
    }
};

}  // namespace resilience::testing

namespace resilience::detail {

// Before the limiter, which has to find it.
inline testing::OvertakenLaw keyed_law(const testing::OvertakenLimit& o, TimePoint now) {
    return {keyed_law(o.bucket, now), o.in_undo};
}

}  // namespace resilience::detail

#include <resilience/keyed_limiter.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

const TimePoint t0{1000h};
constexpr TokenBucketOptions one_an_hour{.tokens = 1, .period = 1h, .burst = 4};

/// A limiter whose refunds can be overtaken.
struct Scene {
    using Limiter = BasicKeyedLimiter<testing::OvertakenLimiter>;

    /// Gives back `reservation`; its n-th attempt is overtaken by `rival(n)`.
    template <class Rival>
    bool refund(const Reservation& reservation, TimePoint now, Rival rival) {
        int attempts = 0;
        in_undo = [&] { rival(++attempts); };
        const bool whole = limiter.refund(7, reservation, now);
        in_undo = nullptr;
        return whole;
    }

    std::function<void()> in_undo;
    Limiter limiter{
        {.limit =
             {one_an_hour,
              [this] {
                  if (in_undo) in_undo();
              }},
         .keys = 11,  // have two groups
         .hash_key = detail::HashKey{1, 2}},
        t0};
};

}  // namespace

TEST_CASE("a keyed refund that is overtaken does not forfeit by its own attempt") {
    Scene s;
    // One that was refunded before is none of its business.
    CHECK(s.limiter.refund(7, s.limiter.reserve(7, 2, t0), t0));
    REQUIRE(s.limiter.try_acquire(7, 2, t0));
    const Reservation reserved = s.limiter.reserve(7, 2, t0);
    // What arrived in the two hours had room in the bucket.
    const TimePoint later = t0 + 2h;
    CHECK(s.refund(reserved, later, [&](int attempt) {
        if (attempt <= 2) CHECK(s.limiter.try_acquire(7, 1, later));
    }));
    CHECK(s.limiter.snapshot(7, later).available == 2);
}

TEST_CASE("a keyed refund that goes in after a taking is heeded when that is undone") {
    Scene s;
    const Reservation first = s.limiter.reserve(7, 2, t0);
    Reservation second;
    CHECK(s.refund(first, t0, [&](int attempt) {
        // What the first attempt noted is not in the word yet when the second one begins.
        if (attempt == 1) CHECK(s.limiter.try_acquire(7, 1, t0));
        if (attempt == 2) second = s.limiter.reserve(7, 1, t0);
    }));
    REQUIRE(second.granted);
    CHECK(s.limiter.snapshot(7, t0).available == 2);
    // Full in two hours with the second reservation, so it would have been full without.
    const TimePoint full = t0 + 2h;
    CHECK(s.limiter.try_acquire(7, 4, full));
    CHECK_FALSE(s.limiter.refund(7, second, full));
    CHECK_FALSE(s.limiter.try_acquire(7, 1, full));
}

TEST_CASE("a keyed refund that is overtaken by a reset gives nothing back") {
    Scene s;
    const Reservation reserved = s.limiter.reserve(7, 3, t0);
    CHECK_FALSE(s.refund(reserved, t0, [&](int attempt) {
        if (attempt == 1) CHECK(s.limiter.reset(7, t0));
    }));
    CHECK(s.limiter.snapshot(7, t0).available == 4);
    // Later reservations are none of the reset's business.
    CHECK(s.limiter.refund(7, s.limiter.reserve(7, 3, t0), t0));
    CHECK(s.limiter.snapshot(7, t0).available == 4);
}

TEST_CASE("a keyed refund whose key loses its slot meanwhile gives nothing back") {
    Scene s;
    const Reservation reserved = s.limiter.reserve(7, 1, t0);
    const TimePoint full = t0 + 2h;
    CHECK_FALSE(s.refund(reserved, t0, [&](int attempt) {
        if (attempt > 1) return;
        for (std::uint64_t key = 100; key < 1100; ++key) {
            static_cast<void>(s.limiter.try_acquire(key, 1, full));
        }
    }));
}

TEST_CASE("a keyed refund that came to nothing takes nothing from that of another key") {
    // Some of them are in the same group.
    for (std::uint64_t other = 100; other < 108; ++other) {
        Scene s;
        const Reservation reserved = s.limiter.reserve(7, 1, t0);
        const TimePoint full = t0 + 2h;
        Reservation others;
        CHECK_FALSE(s.refund(reserved, t0, [&](int attempt) {
            if (attempt > 1) return;
            CHECK(s.limiter.try_acquire(other, 2, full));
            others = s.limiter.reserve(other, 2, full);
            for (std::uint64_t key = 200; key < 1200; ++key) {
                static_cast<void>(s.limiter.try_acquire(key, 1, full));
            }
        }));
        // What arrived in two hours had room in the bucket.
        CHECK(s.limiter.refund(other, others, full + 2h));
    }
}
