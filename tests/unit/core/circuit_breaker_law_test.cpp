// SPDX-License-Identifier: MIT
#include <resilience/detail/breaker_law.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>

#include "unit/core/breaker_explorer.hpp"

using resilience::CircuitState;
using resilience::Verdict;
using namespace resilience::detail;
using resilience::testing::Explorer;
using resilience::testing::kNow;
using resilience::testing::kTick;

namespace {

BreakerLaw small(
    std::uint32_t probes, std::uint32_t close_after, std::uint32_t reopen_after
) {
    return {
        .open_for = 2 * kTick,
        .probe_lease = 2 * kTick,
        .probes = probes,
        .close_after = close_after,
        .reopen_after = reopen_after};
}

void explore(const BreakerLaw& a, const BreakerLaw& b) {
    Explorer explorer{{a, b}};
    explorer.run();
    CHECK(explorer.nodes() > 100);
    CHECK(explorer.edges() > explorer.nodes());
    for (int s = 0; s < 6; ++s) CHECK(explorer.reached(static_cast<CircuitState>(s)));
}

}  // namespace

TEST_CASE("no state of a small breaker breaks a promise") {
    for (std::uint32_t probes = 1; probes <= 3; ++probes) {
        for (std::uint32_t close = 1; close <= probes; ++close) {
            for (std::uint32_t reopen = 1; reopen <= probes - close + 1; ++reopen) {
                CAPTURE(probes);
                CAPTURE(close);
                CAPTURE(reopen);
                const BreakerLaw law = small(probes, close, reopen);
                explore(law, law);
            }
        }
    }
}

TEST_CASE("no state of a small breaker with a slow start breaks a promise") {
    BreakerLaw law = small(2, 2, 1);
    law.slow_start = 3 * kTick;
    law.slow_probe_fails = true;
    explore(law, law);
}

TEST_CASE("no change of the settings at any moment leaves a breaker stuck") {
    BreakerLaw wide = small(3, 3, 1);
    wide.slow_start = 3 * kTick;
    BreakerLaw brief = small(1, 1, 1);
    brief.probe_lease = kTick;
    explore(wide, brief);
    explore(wide, small(2, 1, 2));
}

TEST_CASE("a word gives back what was put into it") {
    const ProbeRound round{.in_flight = 255, .ok = 254, .bad = 253, .lease = 0x3ffff};
    for (int s = 0; s < 6; ++s) {
        const auto state = static_cast<CircuitState>(s);
        const BreakerWord w{
            state, BreakerWord::kGenerations - 1, BreakerWord::payload_of(round)};
        CHECK(w.state() == state);
        CHECK(w.generation() == BreakerWord::kGenerations - 1);
        CHECK(w.round() == round);
        CHECK(w.to(CircuitState::open).generation() == 0);
    }
}

TEST_CASE("an instant in a word is never earlier than told, nor later than 1 ms") {
    for (const std::int64_t ns :
         {std::int64_t{0},
          std::int64_t{1},
          std::int64_t{999'999},
          std::int64_t{1'000'000},
          std::int64_t{-1},
          std::int64_t{-1'000'001},
          std::int64_t{86'400'000'000'001}}) {
        const BreakerWord w{CircuitState::open, 0, BreakerWord::payload_of(ns)};
        CHECK(w.instant() >= ns);
        CHECK(w.instant() - ns < BreakerWord::kMillisecond);
    }
}

TEST_CASE("a breaker at the ends of time is not stuck") {
    const BreakerLaw law = small(1, 1, 1);
    for (const std::int64_t now : {-kTimeLimit, -kTick, kTimeLimit - 1}) {
        const BreakerWord open =
            law.on_trip(BreakerWord{CircuitState::closed, 7}, 7, now);
        CHECK(open.state() == CircuitState::open);
        const std::int64_t later = std::min(now + law.open_for, kTimeLimit - 1);
        if (now == -kTick) CHECK_FALSE(law.on_acquire(open, later - 1, 0).admitted);
        if (now > -kTimeLimit) CHECK(law.on_acquire(open, later, 0).admitted);
        CHECK(law.on_acquire(open, kTimeLimit - 1, 0).admitted);
    }
}

TEST_CASE("a leaked probe is given up after its lease, whenever the next call comes") {
    const BreakerLaw law = small(1, 1, 1);
    const BreakerWord open = law.on_trip(BreakerWord{}, 0, kNow);
    const BreakerWord probing = law.on_acquire(open, kNow + law.open_for, 0).next;
    REQUIRE(probing.round().in_flight == 1);
    const std::int64_t given = kNow + law.open_for;
    CHECK_FALSE(law.on_acquire(probing, given + law.probe_lease - 1, 0).admitted);
    const BreakerAnswer next = law.on_acquire(probing, given + law.probe_lease, 0);
    CHECK(next.admitted);
    CHECK(next.next.generation() == probing.generation() + 1);
    CHECK(
        law.on_outcome(next.next, probing.generation(), Verdict::success, given) ==
        next.next
    );
    for (std::int64_t hours = 1; hours < 48; ++hours) {
        CAPTURE(hours);
        CHECK(law.on_acquire(probing, given + hours * 3'600'000'000'000, 0).admitted);
    }
}

TEST_CASE(
    "the lease of the latest probe counts, and an old clock reading is not the end "
    "of it"
) {
    BreakerLaw law = small(2, 2, 1);
    law.probe_lease = 10 * kTick;
    const BreakerWord open = law.on_trip(BreakerWord{}, 0, kNow);
    const std::int64_t first = kNow + law.open_for;
    const std::int64_t second = first + 5 * kTick;
    BreakerWord w = law.on_acquire(open, first, 0).next;
    w = law.on_acquire(w, second, 0).next;
    CHECK(w.round().in_flight == 2);
    CHECK(law.on_acquire(w, first + law.probe_lease, 0).wait == 5 * kTick);
    CHECK_FALSE(law.on_acquire(w, first - 60'000'000'000, 0).admitted);
    CHECK(law.on_acquire(w, second + law.probe_lease, 0).admitted);
}

TEST_CASE("an outcome that no probe can have sent changes nothing") {
    const BreakerLaw law = small(3, 2, 2);
    const BreakerWord w{
        CircuitState::half_open, 5, BreakerWord::payload_of(ProbeRound{.ok = 1})};
    CHECK(law.on_outcome(w, 5, Verdict::success, kNow) == w);
}

TEST_CASE("a slow start admits the share that its time has come to") {
    BreakerLaw law = small(1, 1, 1);
    law.slow_start = 100 * kTick;
    law.slow_start_share = 0.2;
    const BreakerWord w{
        CircuitState::closed, 3, BreakerWord::payload_of(kNow + law.slow_start)};
    const auto bits = [](double share) {
        return static_cast<std::uint64_t>(share * 9007199254740992.0) << 11;
    };
    CHECK(law.on_acquire(w, kNow, bits(0.19)).admitted);
    CHECK_FALSE(law.on_acquire(w, kNow, bits(0.21)).admitted);
    CHECK(law.on_acquire(w, kNow, bits(0.21)).wait == law.slow_start);
    CHECK(law.on_acquire(w, kNow + 50 * kTick, bits(0.59)).admitted);
    CHECK_FALSE(law.on_acquire(w, kNow + 50 * kTick, bits(0.61)).admitted);
    CHECK(law.on_acquire(w, kNow + 100 * kTick, bits(0.999)).admitted);
    CHECK(law.on_acquire(w, kNow - 50 * kTick, bits(0.19)).admitted);
    law.slow_start = 0;
    CHECK(law.on_acquire(w, kNow, bits(0.999)).admitted);
}

TEST_CASE("the transitions can be evaluated by the compiler") {
    constexpr BreakerLaw law{.probes = 3, .close_after = 2, .reopen_after = 2};
    constexpr BreakerWord open = law.on_trip(BreakerWord{}, 0, 0);
    static_assert(open.state() == CircuitState::open);
    static_assert(!law.on_acquire(open, 0, 0).admitted);
    static_assert(
        BreakerLaw::poll(open, law.open_for).state() == CircuitState::half_open
    );
    CHECK(open.generation() == 1);
}
