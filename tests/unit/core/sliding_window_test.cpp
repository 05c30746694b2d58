// SPDX-License-Identifier: MIT
#include <resilience/sliding_window.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "unit/core/window_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;

std::string refusal(const SlidingWindowOptions& options) {
    try {
        SlidingWindow{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

bool names(const std::string& message, const char* field) {
    return message.find(field) != std::string::npos;
}

SlidingWindowOptions any_window(Random& random) {
    for (;;) {
        const std::int64_t window = random.one_in(3)
                                        ? random.in(8, 1000)
                                        : random.of_any_size(86'400'000'000'000);
        const SlidingWindowOptions o{
            .limit = static_cast<std::uint32_t>(random.of_any_size(8'388'607)),
            .window = std::chrono::nanoseconds{window}};
        if (refusal(o).empty()) return o;
    }
}

}  // namespace

TEST_CASE("a sliding window forgets a burst as it slides past") {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.snapshot(t0) == LimiterSnapshot{.limit = 10, .available = 10});
    CHECK(window.try_acquire(10, t0 + 900ms));
    CHECK(window.try_acquire(1, t0 + 900ms) == Admission::refuse(200ms));
    CHECK(window.snapshot(t0 + 1s) == LimiterSnapshot{10, 0, 100ms, 1s});
    CHECK_FALSE(window.try_acquire(1, t0 + 1100ms - 1ns));
    CHECK(window.try_acquire(1, t0 + 1100ms));
    CHECK(window.try_acquire(4, t0 + 1500ms));
    CHECK_FALSE(window.try_acquire(1, t0 + 1500ms));
    CHECK(window.snapshot(t0 + 2s).available == 5);
    CHECK(window.snapshot(t0 + 3s).available == 10);
}

TEST_CASE("a sliding window never lets two limits go around a boundary") {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(10, t0 - 1ns));
    CHECK_FALSE(window.try_acquire(1, t0));
    CHECK(window.snapshot(t0 + 500ms).available == 5);
}

TEST_CASE("more than the limit is refused for ever, nothing is always admitted") {
    SlidingWindow window{{.limit = 3, .window = 1s}};
    CHECK(window.try_acquire(4, t0) == Admission::refuse(Admission::never));
    CHECK(window.peek(4, t0) == Admission::refuse(Admission::never));
    CHECK(window.try_acquire(3, t0));
    CHECK(window.try_acquire(0, t0));
    CHECK(window.peek(0, t0));
}

TEST_CASE("a sliding window takes back what was not used, while it counts") {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(4, t0));
    CHECK(window.refund(4, t0));
    CHECK(window.snapshot(t0).available == 10);
    CHECK_FALSE(window.refund(4, t0));
    CHECK(window.try_acquire(10, t0));
    CHECK(window.try_acquire(1, t0 + 1500ms));
    CHECK(window.refund(10, t0));
    CHECK(window.snapshot(t0 + 1500ms).available == 9);
    CHECK(window.try_acquire(2, t0 + 2s));
    CHECK_FALSE(window.refund(1, t0));
    CHECK(window.refund(1, t0 + 1500ms));
    CHECK(window.snapshot(t0 + 2s).available == 8);
}

TEST_CASE("a clock that has not seen the window begin finds nothing left") {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(1, t0 + 1s));
    CHECK(window.try_acquire(1, t0 + 1s - 1ns) == Admission::refuse(1ns));
    CHECK(window.try_acquire(10, t0 - 1h) == Admission::refuse(1h + 3s));
    CHECK(window.snapshot(t0) == LimiterSnapshot{10, 0, 1s, 3s});
}

TEST_CASE("an idle gap of any length empties a sliding window, and never blocks it") {
    for (std::int64_t gap = 2; gap < 1'000'000'000; gap = gap * 3 / 2 + 1) {
        SlidingWindow window{{.limit = 32'767, .window = 1s}};
        CHECK(window.try_acquire(32'767, t0));
        CHECK(window.snapshot(t0 + gap * 1s).available == 32'767);
        CHECK(window.try_acquire(32'767, t0 + gap * 1s));
    }
}

TEST_CASE("options of a sliding window out of range are refused by name") {
    CHECK(names(refusal({.limit = 0}), "SlidingWindowOptions::limit"));
    CHECK(names(refusal({.limit = 32'768, .window = 1s}), "SlidingWindowOptions::limit"));
    CHECK(names(refusal({.limit = 0xffffffff, .window = 24h}), "SlidingWindowOptions::l")
    );
    CHECK(names(refusal({.window = 0s}), "SlidingWindowOptions::window"));
    CHECK(names(refusal({.window = -1s}), "SlidingWindowOptions::window"));
    CHECK(names(
        refusal({.window = std::chrono::nanoseconds::max()}),
        "SlidingWindowOptions::window"
    ));
    CHECK(refusal({.limit = 32'767, .window = 1s}).empty());
    CHECK(refusal({.limit = 262'143, .window = 1min}).empty());
    CHECK(refusal({.limit = 2'097'151, .window = 1h}).empty());
    const SlidingWindowOptions o{.limit = 7, .window = 3s};
    CHECK(SlidingWindow{o}.options() == o);
}

TEST_CASE("a sliding window works at the ends of time") {
    for (const auto length : {10ns, std::chrono::nanoseconds{24h * 365 * 18}}) {
        SlidingWindow window{{.limit = 1, .window = length}};
        CHECK(window.try_acquire(1, TimePoint::min()));
        CHECK(window.try_acquire(1, TimePoint::min()).retry_after > 24h * 365);
        CHECK(window.try_acquire(1, TimePoint::max()));
        const Admission late = window.try_acquire(1, TimePoint::max());
        CHECK_FALSE(late);
        CHECK(late.retry_after > 0s);
        CHECK(late.retry_after <= 2 * length);
        CHECK(window.peek(1, TimePoint::min()).retry_after > 24h * 365 * 100);
    }
}

TEST_CASE("P1, P4: every decision and wait of a sliding window equals the oracle's") {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random{21'000 + seed};
        INFO("seed " << random.seed);
        const SlidingWindowOptions o = any_window(random);
        SlidingWindow window{o};
        const detail::SlidingWindowLaw law = SlidingWindow::make_law(o);
        SlidingWindowOracle oracle{o.limit, o.window.count(), law.tick()};
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
            REQUIRE(seen.available == oracle.most(now));
            REQUIRE(oracle.wait(seen.limit, now) == seen.until_full.count());
            if (seen.available == o.limit) continue;
            REQUIRE(oracle.wait(seen.available + 1, now) == seen.until_next.count());
        }
    }
}

TEST_CASE("P2: no stretch of time admits more than the limit and its share of windows") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random{21'500 + seed};
        INFO("seed " << random.seed);
        const SlidingWindowOptions o = any_window(random);
        SlidingWindow window{o};
        // The curve limit + w * limit / window is that of a bucket that is full at first.
        BucketOracle bucket{
            {.tokens = o.limit, .period = o.window, .burst = o.limit}, 1ns};
        std::int64_t now = random.of_any_size(1'000'000'000'000), seen = 0, admitted = 0;
        for (int step = 0; step < 400; ++step) {
            seen = std::max(seen, now += random.in(0, o.window.count() / 8 + 1));
            const auto n = static_cast<std::uint32_t>(random.of_any_size(o.limit));
            if (!window.try_acquire(n, at(now))) continue;
            REQUIRE(bucket.fits(n, now));
            bucket.take(n, now);
            admitted += n;
        }
        CHECK(admitted > o.limit);
    }
}

TEST_CASE("the estimate is off by less than the count of the window before") {
    Random random{21'900};
    const SlidingWindowOptions o{.limit = 30, .window = 1us};
    SlidingWindow window{o};
    std::deque<std::int64_t> log;
    std::vector<std::int64_t> counts(20'000);
    for (std::int64_t now = 2'000; now < 20'000'000; now += random.in(0, 80)) {
        while (!log.empty() && log.front() <= now - 1'000) log.pop_front();
        const std::int64_t before = counts[std::size_t(now / 1'000 - 1)];
        const auto used = 30 - std::int64_t{window.snapshot(at(now)).available};
        REQUIRE(std::abs(used - std::int64_t(log.size())) <= std::max(before, 1l));
        if (!window.try_acquire(1, at(now))) continue;
        log.push_back(now);
        ++counts[std::size_t(now / 1'000)];
    }
}

TEST_CASE("P7: in whatever order clocks are read, what they admit keeps to the curve") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random{21'700 + seed};
        INFO("seed " << random.seed);
        const SlidingWindowOptions o = any_window(random);
        SlidingWindow window{o};
        std::vector<std::int64_t> clocks;
        std::int64_t now = random.of_any_size(1'000'000'000'000);
        for (int i = 0; i < 60; ++i) {
            clocks.push_back(now += random.in(0, o.window.count() / 4 + 1));
        }
        const auto n = static_cast<std::uint32_t>(random.of_any_size(o.limit));
        BucketOracle bucket{
            {.tokens = o.limit, .period = o.window, .burst = o.limit}, 1ns};
        for (std::size_t i = 0; i + 10 <= clocks.size(); i += 10) {
            std::shuffle(clocks.begin() + i, clocks.begin() + i + 10, random.engine);
        }
        std::vector<std::int64_t> admitted;
        for (const std::int64_t c : clocks) {
            if (window.try_acquire(n, at(c))) admitted.push_back(c);
        }
        std::sort(admitted.begin(), admitted.end());
        for (const std::int64_t c : admitted) {
            REQUIRE(bucket.fits(n, c));
            bucket.take(n, c);
        }
    }
}
