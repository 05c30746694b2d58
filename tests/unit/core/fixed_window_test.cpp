// SPDX-License-Identifier: MIT
#include <resilience/fixed_window.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "unit/core/window_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;

std::string refusal(const FixedWindowOptions& options) {
    try {
        FixedWindow{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

bool names(const std::string& message, const char* field) {
    return message.find(field) != std::string::npos;
}

FixedWindowOptions any_window(Random& random) {
    const std::int64_t window =
        random.one_in(3) ? random.in(1, 100) : random.of_any_size(86'400'000'000'000);
    const std::int64_t most = std::min<std::int64_t>(window, 0xffffffff);
    return {
        .limit = static_cast<std::uint32_t>(random.of_any_size(most)),
        .window = std::chrono::nanoseconds{window},
        .offset = std::chrono::nanoseconds{random.in(-3 * window, 3 * window)}};
}

}  // namespace

TEST_CASE("a fixed window gives its limit, then nothing until the next one begins") {
    FixedWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.snapshot(t0) == LimiterSnapshot{.limit = 10, .available = 10});
    CHECK(window.try_acquire(7, t0 + 300ms));
    CHECK(window.try_acquire(4, t0 + 400ms) == Admission::refuse(600ms));
    CHECK(window.try_acquire(3, t0 + 400ms));
    CHECK(window.peek(1, t0 + 999ms) == Admission::refuse(1ms));
    CHECK(window.snapshot(t0 + 600ms) == LimiterSnapshot{10, 0, 400ms, 400ms});
    CHECK(window.try_acquire(10, t0 + 1s));
    CHECK_FALSE(window.try_acquire(1, t0 + 1s));
}

TEST_CASE("a fixed window lets two limits go around a boundary, as it says") {
    FixedWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(10, t0 - 1ns));
    CHECK(window.try_acquire(10, t0));
    CHECK_FALSE(window.try_acquire(1, t0));
}

TEST_CASE("a fixed window begins where the calendar says, whatever the steady clock") {
    using namespace std::chrono;
    const WallClock::time_point wall = sys_days{2026y / 11 / 21} + 13h + 5min;
    const auto offset = calendar_offset(floor<days>(wall), wall, t0);
    FixedWindow quota{{.limit = 5, .window = days{1}, .offset = offset}};
    CHECK(quota.try_acquire(5, t0));
    CHECK(quota.try_acquire(1, t0) == Admission::refuse(10h + 55min));
    CHECK_FALSE(quota.try_acquire(1, t0 + 10h + 55min - 1ns));
    CHECK(quota.try_acquire(5, t0 + 10h + 55min));
    CHECK(quota.options().offset == offset);
}

TEST_CASE("more than the limit is refused for ever, nothing is always admitted") {
    FixedWindow window{{.limit = 3, .window = 1s}};
    CHECK(window.try_acquire(4, t0) == Admission::refuse(Admission::never));
    CHECK(window.peek(4, t0) == Admission::refuse(Admission::never));
    CHECK(window.try_acquire(3, t0));
    CHECK(window.try_acquire(0, t0));
    CHECK(window.peek(0, t0));
}

TEST_CASE("a fixed window takes back what was not used, while the window lasts") {
    FixedWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(4, t0));
    CHECK(window.refund(4, t0));
    CHECK(window.snapshot(t0).available == 10);
    CHECK_FALSE(window.refund(4, t0));
    CHECK(window.try_acquire(10, t0));
    CHECK(window.try_acquire(6, t0 + 1s));
    CHECK_FALSE(window.refund(4, t0));
    CHECK(window.snapshot(t0 + 1s).available == 4);
}

TEST_CASE("a clock that has not seen the window begin finds nothing left") {
    FixedWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(1, t0 + 1s));
    CHECK(window.try_acquire(1, t0 + 1s - 1ns) == Admission::refuse(1ns));
    CHECK(window.try_acquire(1, t0 - 1h) == Admission::refuse(1h + 1s));
    CHECK(window.snapshot(t0).available == 0);
    CHECK(window.snapshot(t0).until_next == 1s);
    CHECK(window.snapshot(t0).until_full == 2s);
}

TEST_CASE("options of a fixed window out of range are refused by name") {
    CHECK(names(refusal({.limit = 0}), "FixedWindowOptions::limit"));
    CHECK(names(refusal({.limit = 11, .window = 10ns}), "FixedWindowOptions::limit"));
    CHECK(names(refusal({.window = 0s}), "FixedWindowOptions::window"));
    CHECK(names(refusal({.window = -1s}), "FixedWindowOptions::window"));
    CHECK(names(
        refusal({.window = std::chrono::nanoseconds::max()}), "FixedWindowOptions::window"
    ));
    CHECK(refusal({.limit = 10, .window = 10ns}).empty());
    CHECK(refusal({.limit = 0xffffffff, .window = 24h * 365 * 18}).empty());
}

TEST_CASE("a fixed window works at the ends of time and with every offset") {
    for (const auto offset :
         {std::chrono::nanoseconds::min(), 0ns, 7ns, std::chrono::nanoseconds::max()}) {
        for (const auto length : {1ns, std::chrono::nanoseconds{24h * 365 * 18}}) {
            FixedWindow window{{.limit = 1, .window = length, .offset = offset}};
            CHECK(window.try_acquire(1, TimePoint::min()));
            const Admission early = window.try_acquire(1, TimePoint::min());
            CHECK_FALSE(early);
            CHECK(early.retry_after > 0s);
            CHECK(window.try_acquire(1, TimePoint::max()));
            const Admission late = window.try_acquire(1, TimePoint::max());
            CHECK_FALSE(late);
            CHECK(late.retry_after > 0s);
            CHECK(late.retry_after <= length);
            CHECK(window.peek(1, TimePoint::min()).retry_after > 24h * 365 * 100);
        }
    }
}

TEST_CASE("P1, P4: every decision and wait of a fixed window equals the oracle's") {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random{20'000 + seed};
        INFO("seed " << random.seed);
        const FixedWindowOptions o = any_window(random);
        FixedWindow window{o};
        FixedWindowOracle oracle{o.limit, o.window.count(), o.offset.count()};
        std::int64_t now = random.of_any_size(1'790'000'000'000'000'000);
        for (int step = 0; step < 100; ++step) {
            if (random.one_in(8))
                now -= random.in(0, std::min(now, 2 * o.window.count()));
            now += random.in(0, o.window.count() / 2 + 2);
            const auto n = static_cast<std::uint32_t>(random.of_any_size(o.limit));
            const std::int64_t wait = oracle.wait(n, now);
            REQUIRE(window.peek(n, at(now)).admitted == (wait == 0));
            const Admission a = window.try_acquire(n, at(now));
            REQUIRE(a.admitted == (wait == 0));
            REQUIRE(a.retry_after.count() == wait);
            if (a) oracle.take(n, now);
            const LimiterSnapshot seen = window.snapshot(at(now));
            REQUIRE((seen.available == 0 || oracle.fits(seen.available, now)));
            REQUIRE(oracle.wait(seen.limit, now) == seen.until_full.count());
            if (seen.available == o.limit) continue;
            REQUIRE(oracle.wait(seen.available + 1, now) == seen.until_next.count());
        }
    }
}

TEST_CASE("P7: no order of the clock reads in a batch admits more than the true one") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random{20'500 + seed};
        INFO("seed " << random.seed);
        const FixedWindowOptions o = any_window(random);
        FixedWindow ordered{o}, shuffled{o};
        std::vector<std::int64_t> clocks;
        std::int64_t now = random.of_any_size(1'000'000'000'000);
        for (int i = 0; i < 60; ++i) {
            clocks.push_back(now += random.in(0, o.window.count() / 4 + 1));
        }
        int in_order = 0, out_of_order = 0;
        for (const std::int64_t c : clocks)
            in_order += ordered.try_acquire(1, at(c)).admitted;
        for (std::size_t i = 0; i + 10 <= clocks.size(); i += 10) {
            std::shuffle(clocks.begin() + i, clocks.begin() + i + 10, random.engine);
        }
        for (const std::int64_t c : clocks) {
            out_of_order += shuffled.try_acquire(1, at(c)).admitted;
        }
        REQUIRE(out_of_order <= in_order);
    }
}
