// SPDX-License-Identifier: MIT
#include <resilience/detail/budget_law.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <deque>
#include <set>
#include <vector>

using resilience::detail::BudgetLaw;

namespace {

constexpr std::int64_t kCap = 4;
constexpr std::int64_t kTransient = 2;
constexpr std::int64_t kThrottled = 1;
constexpr std::int64_t kPart = 1;
constexpr std::int64_t kLastTick = 6;

/* A world of one budget, its clock and the leases that are out, beside an account that is
   kept in the plainest way: tokens that may be there, tokens that came. Both are walked
   through every event in every order. */
struct World {
    std::int64_t zero = 0;
    std::int64_t clock = 0;
    std::int64_t account = 0;  // what a plain balance, refilled and cut at once, holds
    int leases = 0;            // transient ones that are out
    int deposits = 0;
    int withdrawals = 0;

    auto operator<=>(const World&) const = default;
};

std::vector<World> successors(const BudgetLaw& law, const World& w) {
    std::vector<World> all;
    if (w.clock < kLastTick) {
        World next = w;
        ++next.clock;
        next.account = std::min(kCap, w.account + 1);
        all.push_back(next);
    }
    if (w.deposits < 4) {
        World next = w;
        ++next.deposits;
        next.zero = law.deposited(w.zero, w.clock);
        next.account = std::min(kCap, w.account + 1);
        all.push_back(next);
    }
    for (const std::int64_t cost : {kTransient, kThrottled}) {
        const std::int64_t zero = law.withdrawn(w.zero, w.clock, cost);
        const bool granted = zero <= w.clock;
        REQUIRE(granted == (w.account >= cost));
        if (!granted || w.withdrawals == 5) continue;
        World next = w;
        ++next.withdrawals;
        next.zero = zero;
        next.account -= cost;
        if (cost == kTransient) ++next.leases;
        all.push_back(next);
    }
    for (const std::int64_t back : {std::int64_t{0}, kPart, kTransient}) {
        if (w.leases == 0) break;
        World next = w;
        --next.leases;
        next.zero = law.refunded(w.zero, back);
        next.account = std::min(kCap, w.account + back);
        all.push_back(next);
    }
    return all;
}

}  // namespace

TEST_CASE("the budget's word agrees with a plain account in every order of events") {
    // One unit of reserve for each tick of a second.
    const BudgetLaw law{.cap = kCap, .deposit = 1, .reserve = 1};
    std::set<World> seen;
    for (std::int64_t initial = 0; initial <= kCap; ++initial) {
        std::deque<World> open{World{.zero = -initial, .account = initial}};
        while (!open.empty()) {
            const World w = open.front();
            open.pop_front();
            if (!seen.insert(w).second) continue;
            REQUIRE(law.balance(w.zero, w.clock) == w.account);
            REQUIRE(w.account >= 0);
            REQUIRE(w.account <= kCap);
            // A clock that is late never sees more than there is.
            for (std::int64_t late = w.clock - kCap - 2; late < w.clock; ++late) {
                REQUIRE(law.balance(w.zero, late) <= w.account);
                const std::int64_t zero = law.withdrawn(w.zero, late, kThrottled);
                if (zero <= late) REQUIRE(law.balance(zero, w.clock) <= w.account);
                const std::int64_t more = law.deposited(w.zero, late);
                REQUIRE(law.balance(more, w.clock) >= w.account);
                REQUIRE(law.balance(more, w.clock) <= w.account + law.deposit);
            }
            for (const World& next : successors(law, w)) open.push_back(next);
        }
    }
    CHECK(seen.size() > 4000);
}

TEST_CASE("a budget that is full is not written to") {
    const BudgetLaw law{.cap = 10, .deposit = 3, .reserve = 1};
    CHECK(law.deposited(-10, 0) == -10);
    CHECK(law.deposited(-25, 0) == -25);
    CHECK(law.deposited(-9, 0) == -10);
    CHECK(law.deposited(-5, 0) == -8);
}

TEST_CASE("the clock of the reserve is exact to a unit over a century") {
    const BudgetLaw law{.cap = 1, .deposit = 1, .reserve = 14'000};
    constexpr std::int64_t kSecond = 1'000'000'000;
    CHECK(law.clock(0) == 0);
    CHECK(law.clock(kSecond) == 14'000);
    CHECK(law.clock(kSecond / 2 + 1) == 7'000);
    CHECK(law.clock(71'428) == 0);
    CHECK(law.clock(71'429) == 1);
    CHECK(law.clock(std::int64_t{3'155'760'000} * kSecond) == 44'180'640'000'000);
}
