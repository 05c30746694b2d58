// SPDX-License-Identifier: MIT
#include <resilience/fixed_window.hpp>
#include <resilience/registry.hpp>
#include <resilience/sliding_window.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;

template <class Window>
using OptionsOf = typename Window::Options;

template <class Window>
OptionsOf<Window> with(std::uint32_t limit, std::chrono::nanoseconds window) {
    OptionsOf<Window> options;
    options.limit = limit;
    options.window = window;
    return options;
}

template <class Window>
OptionsOf<Window> any_options_of(Random& random) {
    const std::int64_t window = random.in(1'000'000, 10'000'000'000);
    auto options = with<Window>(
        static_cast<std::uint32_t>(random.of_any_size(500)),
        std::chrono::nanoseconds{window}
    );
    if constexpr (std::is_same_v<Window, FixedWindow>) {
        options.offset = std::chrono::nanoseconds{random.in(-window, window)};
    }
    return options;
}

}  // namespace

TEST_CASE_TEMPLATE(
    "what was taken in a window counts by another limit too",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(10, 1s)};
    CHECK(window.try_acquire(7, t0 + 100ms));
    window.reconfigure(with<Window>(30, 1s), t0 + 200ms);
    CHECK(window.options() == with<Window>(30, 1s));
    CHECK(window.snapshot(t0 + 200ms).limit == 30);
    CHECK(window.snapshot(t0 + 200ms).available == 23);
    CHECK(window.try_acquire(31, t0 + 200ms).retry_after == Admission::never);
    window.reconfigure(with<Window>(8, 1s), t0 + 300ms);
    CHECK(window.snapshot(t0 + 300ms).available == 1);
    window.reconfigure(with<Window>(3, 1s), t0 + 300ms);
    CHECK(window.snapshot(t0 + 300ms).available == 0);
    CHECK(window.peek(4, t0 + 300ms).retry_after == Admission::never);
    CHECK_FALSE(window.try_acquire(1, t0 + 999ms));
    CHECK(window.snapshot(t0 + 3s).available == 3);
}

TEST_CASE("what was taken in a fixed window counts in the one of another length") {
    FixedWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(7, t0 - 1ms));
    CHECK(window.try_acquire(4, t0 + 100ms));
    window.reconfigure({.limit = 100, .window = 1min, .offset = 1s}, t0 + 200ms);
    CHECK(window.snapshot(t0 + 200ms) == LimiterSnapshot{100, 96, 800ms, 800ms});
    CHECK(window.try_acquire(96, t0 + 999ms));
    window.reconfigure({.limit = 5, .window = 1ms}, t0 + 999ms);
    CHECK(window.try_acquire(1, t0 + 999ms) == Admission::refuse(1ms));
    CHECK(window.try_acquire(5, t0 + 1s));
}

TEST_CASE("what counts in a sliding window is the newest in one of another length") {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(10, t0 - 1ms));
    CHECK(window.try_acquire(2, t0 + 300ms));
    // 10 * 0.7 + 2, in a window of which 200 ms have passed.
    window.reconfigure({.limit = 100, .window = 100ms}, t0 + 300ms);
    CHECK(window.snapshot(t0 + 300ms).available == 91);
    CHECK(window.snapshot(t0 + 399ms).available == 91);
    CHECK(window.snapshot(t0 + 450ms).available == 95);
    window.reconfigure({.limit = 4, .window = 1h}, t0 + 300ms);
    CHECK(window.snapshot(t0 + 59min).available == 0);
    CHECK(window.snapshot(t0 + 90min).available == 2);
}

TEST_CASE("a sliding window forgets the window before at the same pace by another limit"
) {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(8, t0 - 1ms));
    window.reconfigure({.limit = 20, .window = 1s}, t0 + 500ms);
    CHECK(window.snapshot(t0 + 500ms).available == 16);
    CHECK(window.snapshot(t0 + 750ms).available == 18);
    window.reconfigure({.limit = 4, .window = 1s}, t0 + 750ms);
    CHECK(window.snapshot(t0 + 750ms).available == 3);  // as if it had been full
    window.reconfigure({.limit = 10, .window = 1s}, t0 + 750ms);
    CHECK(window.snapshot(t0 + 750ms).available == 8);
}

TEST_CASE_TEMPLATE(
    "P8: what a lower limit cannot count is not forgotten by the next one",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(10, 1s)};
    CHECK(window.try_acquire(9, t0));
    window.reconfigure(with<Window>(2, 1s), t0);
    window.reconfigure(with<Window>(5, 1s), t0);
    CHECK(window.snapshot(t0).available == 0);
    window.reconfigure(with<Window>(10, 1s), t0);
    CHECK(window.snapshot(t0).available == 1);
    window.reconfigure(with<Window>(2, 1s), t0);
    window.reconfigure(with<Window>(10, 1min), t0 + 500ms);
    CHECK(window.snapshot(t0 + 500ms).available == 1);
    window.reconfigure(with<Window>(2, 1min), t0 + 500ms);
    window.reconfigure(with<Window>(10, 1min), t0 + 2min);
    CHECK(window.snapshot(t0 + 3min).available == 10);
}

TEST_CASE("a sliding window lets what a lower limit could not count slide past") {
    SlidingWindow window{{.limit = 10, .window = 1s}};
    CHECK(window.try_acquire(8, t0));
    window.reconfigure({.limit = 2, .window = 1s}, t0);
    window.reconfigure({.limit = 10, .window = 1s}, t0 + 1500ms);
    CHECK(window.snapshot(t0 + 1500ms).available == 6);
    window.reconfigure({.limit = 2, .window = 1s}, t0 + 1500ms);
    window.reconfigure({.limit = 10, .window = 1s}, t0 + 1750ms);
    CHECK(window.snapshot(t0 + 1750ms).available == 8);
    CHECK(window.snapshot(t0 + 2s).available == 10);
}

TEST_CASE("counts and lengths of years are carried over without overflow") {
    constexpr std::chrono::nanoseconds years = 24h * 365 * 16;
    SlidingWindow window{{.limit = 1u << 28, .window = years}};
    CHECK(window.try_acquire(1u << 28, t0));
    window.reconfigure({.limit = 1, .window = years}, t0 + years / 2);
    window.reconfigure({.limit = 1u << 28, .window = years / 2}, t0 + years * 3 / 2);
    const auto seen = window.snapshot(t0 + years * 3 / 2);
    CHECK(seen.available > (1u << 27) - 10'000);
    CHECK(seen.available < (1u << 27) + 10'000);
}

TEST_CASE_TEMPLATE(
    "what is over is not carried over", Window, FixedWindow, SlidingWindow
) {
    Window window{with<Window>(10, 1s)};
    CHECK(window.try_acquire(10, t0));
    window.reconfigure(with<Window>(20, 1s), t0 + 2s);
    CHECK(window.snapshot(t0 + 2s).available == 20);
    Window fresh{with<Window>(10, 1s)};
    fresh.reconfigure(with<Window>(20, 1min), t0);
    CHECK(fresh.snapshot(t0).available == 20);
}

TEST_CASE_TEMPLATE(
    "P8: a change by a clock that is late opens no window again",
    Window,
    FixedWindow,
    SlidingWindow
) {
    for (const std::chrono::nanoseconds late : {2h, 24h * 365}) {
        Window window{with<Window>(10, 1s)};
        CHECK(window.try_acquire(10, t0 + 500ms));
        window.reconfigure(with<Window>(9, 1min), t0 - late);
        CHECK(window.snapshot(t0 + 500ms).available == 0);
        CHECK_FALSE(window.try_acquire(1, t0 - late));
        window.reconfigure(with<Window>(10, 1s), t0);
        CHECK_FALSE(window.try_acquire(1, t0 + 500ms));
    }
}

TEST_CASE("a late clock changes windows with an offset where they began") {
    FixedWindow window{{.limit = 10, .window = 1s, .offset = 300ms}};
    CHECK(window.try_acquire(10, t0 + 450ms));
    window.reconfigure({.limit = 10, .window = 100ms}, t0);
    CHECK(window.snapshot(t0 + 399ms).available == 0);
    CHECK(window.snapshot(t0 + 400ms).available == 10);
}

TEST_CASE_TEMPLATE(
    "options change at the ends of time without harm", Window, FixedWindow, SlidingWindow
) {
    const std::chrono::nanoseconds lengths[] = {1us, 24h * 365 * 18};
    for (const auto length : lengths) {
        Window window{with<Window>(1, length)};
        CHECK(window.try_acquire(1, TimePoint::min()));
        window.reconfigure(with<Window>(2, length), TimePoint::min());
        CHECK(window.try_acquire(1, TimePoint::min()));
        CHECK_FALSE(window.try_acquire(1, TimePoint::min()));
        window.reconfigure(with<Window>(3, 1min), TimePoint::max());
        CHECK(window.try_acquire(3, TimePoint::max()));
        window.reconfigure(with<Window>(3, 2min), TimePoint::min());
        CHECK_FALSE(window.try_acquire(1, TimePoint::max()));
    }
}

TEST_CASE_TEMPLATE(
    "what was taken before a change cannot be given back",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(10, 1s)};
    CHECK(window.try_acquire(8, t0));
    window.reconfigure(with<Window>(4, 1s), t0 + 1ms);
    CHECK_FALSE(window.refund(4, t0));
    CHECK_FALSE(window.refund(4, t0 + 1ms));
    CHECK(window.snapshot(t0 + 1ms).available == 0);
    window.reconfigure(with<Window>(13, 1s), t0 + 2ms);
    CHECK(window.try_acquire(5, t0 + 3ms));
    CHECK_FALSE(window.refund(5, t0));
    CHECK_FALSE(window.refund(5, t0 + 2ms));
    CHECK(window.refund(5, t0 + 3ms));
    CHECK_FALSE(window.refund(8, t0));
    CHECK(window.snapshot(t0 + 3ms).available == 5);
}

TEST_CASE_TEMPLATE(
    "P8: what was taken while a change was under way makes no room when given back",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(100, 1s)};
    CHECK(window.try_acquire(80, t0 + 10ms));
    window.reconfigure(with<Window>(50, 1s), t0);
    CHECK_FALSE(window.refund(10, t0 + 10ms));
    CHECK(window.snapshot(t0 + 10ms).available == 0);
    window.reconfigure(with<Window>(100, 1s), t0);
    CHECK(window.try_acquire(5, t0 + 20ms));
    CHECK_FALSE(window.refund(6, t0 + 10ms));
    CHECK(window.refund(5, t0 + 20ms));
    CHECK_FALSE(window.refund(1, t0 + 20ms));
    CHECK(window.snapshot(t0 + 20ms).available == 20);
    CHECK(window.try_acquire(20, t0 + 1s));
    CHECK(window.refund(20, t0 + 1s));
}

TEST_CASE("a sliding window gives back of the window before what its law has counted") {
    SlidingWindow window{{.limit = 100, .window = 1s}};
    CHECK(window.try_acquire(40, t0 + 10ms));
    window.reconfigure({.limit = 90, .window = 1s}, t0);
    CHECK(window.try_acquire(30, t0 + 500ms));
    CHECK(window.try_acquire(1, t0 + 1s));
    CHECK_FALSE(window.refund(31, t0 + 10ms));
    CHECK(window.refund(30, t0 + 500ms));
    CHECK(window.snapshot(t0 + 1s).available == 49);
    CHECK_FALSE(window.refund(1, t0 + 10ms));
}

TEST_CASE("nothing of the window before the one of a change is given back") {
    SlidingWindow window{{.limit = 100, .window = 1s}};
    CHECK(window.try_acquire(40, t0 - 10ms));
    CHECK(window.try_acquire(10, t0));
    window.reconfigure({.limit = 90, .window = 1s}, t0 - 20ms);
    CHECK_FALSE(window.refund(10, t0 - 10ms));
    CHECK(window.snapshot(t0).available == 40);
}

TEST_CASE_TEMPLATE(
    "a window refuses options out of range and stays what it was",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(10, 1s)};
    CHECK(window.try_acquire(3, t0));
    for (const auto& bad : {with<Window>(0, 1s), with<Window>(1, 0s)}) {
        CHECK_THROWS_AS(window.reconfigure(bad, t0), std::invalid_argument);
    }
    CHECK(window.options() == with<Window>(10, 1s));
    CHECK(window.snapshot(t0).available == 7);
    CHECK(window.refund(3, t0));
}

TEST_CASE_TEMPLATE(
    "a window is changed a thousand times, and as often as one likes to what it is",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(10, 1s)};
    CHECK(window.try_acquire(5, t0));
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        window.reconfigure(with<Window>(11 + i % 2, 1s), t0);
        window.reconfigure(window.options(), t0);
    }
    CHECK_THROWS_AS(window.reconfigure(with<Window>(13, 1s), t0), std::length_error);
    CHECK_NOTHROW(window.reconfigure(with<Window>(12, 1s), t0));
    CHECK(window.options().limit == 12);
    CHECK(window.snapshot(t0).available == 7);
}

TEST_CASE_TEMPLATE(
    "a registry changes the options of a window", Window, FixedWindow, SlidingWindow
) {
    Registry registry;
    const auto window = std::make_shared<Window>();
    REQUIRE_FALSE(registry.add("quota", window));
    CHECK(registry.reconfigure<Window>("quota", with<Window>(7, 1min)));
    CHECK(window->options() == with<Window>(7, 1min));
    CHECK_THROWS_AS(
        registry.reconfigure<Window>("quota", with<Window>(0, 1s)), std::invalid_argument
    );
}

TEST_CASE_TEMPLATE(
    "P8: right after a change there is no more room than before or than is new",
    Window,
    FixedWindow,
    SlidingWindow
) {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random{24'000 + seed};
        INFO("seed " << random.seed);
        auto options = any_options_of<Window>(random);
        Window window{options};
        std::int64_t now = random.of_any_size(1'000'000'000'000'000);
        for (int step = 0; step < 100; ++step) {
            now += random.in(0, options.window.count());
            const auto n = static_cast<std::uint32_t>(random.of_any_size(options.limit));
            static_cast<void>(window.try_acquire(n, at(now)));
            if (!random.one_in(3)) continue;
            auto next = any_options_of<Window>(random);
            if (random.one_in(2)) {
                const std::uint32_t limit = next.limit;
                next = options;
                next.limit = limit;
            }
            const std::int64_t before = window.snapshot(at(now)).available;
            window.reconfigure(next, at(now));
            const std::int64_t after = window.snapshot(at(now)).available;
            const std::int64_t more = std::int64_t{next.limit} - options.limit;
            REQUIRE(after <= before + std::max<std::int64_t>(more, 0));
            window.reconfigure(options, at(now));
            const std::int64_t again = window.snapshot(at(now)).available;
            REQUIRE(again <= before);
            if (next.window == options.window) REQUIRE(again == before);
            window.reconfigure(next, at(now));
            REQUIRE(window.snapshot(at(now)).available <= after);
            options = next;
        }
    }
}

TEST_CASE_TEMPLATE(
    "P8: threads take nothing twice while the options of a window change",
    Window,
    FixedWindow,
    SlidingWindow
) {
    Window window{with<Window>(20'000, 1h)};
    std::atomic<std::uint32_t> taken{0};
    std::atomic<bool> strange{false};
    std::vector<std::thread> takers;
    for (int i = 0; i < 3; ++i) {
        takers.emplace_back([&] {
            std::uint32_t mine = 0;
            for (int call = 0; call < 20'000; ++call) {
                mine += window.try_acquire(1, t0).admitted ? 1u : 0u;
                const auto limit = window.options().limit;
                if (limit < 10'000 || limit > 20'000) strange = true;
            }
            taken += mine;
        });
    }
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        window.reconfigure(with<Window>(20'000 - i % 7, i % 2 == 0 ? 2h : 1h), t0);
    }
    for (std::thread& t : takers) t.join();
    CHECK_FALSE(strange);
    CHECK(taken + window.snapshot(t0).available <= 20'000);
    CHECK(taken >= 19'993);
}

TEST_CASE("more than shorter windows have places for fills one of them, not the next") {
    const TimePoint t{1h};
    FixedWindow window{{.limit = 100, .window = 1s}};
    REQUIRE(window.try_acquire(100, t));
    window.reconfigure({.limit = 3, .window = 10ns}, t);
    CHECK_FALSE(window.try_acquire(1, t));
    CHECK(window.try_acquire(3, t + 10ns));
}

TEST_CASE(
    "more than shorter windows have places for is in no later window of a sliding one"
) {
    const TimePoint t{1h};
    SlidingWindow window{{.limit = 100, .window = 1s}};
    REQUIRE(window.try_acquire(100, t));
    window.reconfigure({.limit = 3, .window = 10ns}, t);
    CHECK_FALSE(window.try_acquire(1, t));
    SUBCASE("of what was taken in the current one") {}
    SUBCASE("of what was taken in the one before") {
        window.reconfigure({.limit = 2, .window = 10ns}, t + 10ns);
    }
    CHECK(window.try_acquire(2, t + 20ns));
}
