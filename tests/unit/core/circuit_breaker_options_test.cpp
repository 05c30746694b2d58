// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr auto kForever = std::chrono::nanoseconds::max();

/// What a breaker says of the default options after `change`.
template <class Change>
std::string refusal(Change change) {
    CircuitBreakerOptions options;
    change(options);
    try {
        CircuitBreaker<> breaker{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "nothing";
}

/// Whether each value is refused in the name of the field.
template <class Field, class... Values>
void refuses(const char* name, Field CircuitBreakerOptions::*field, Values... values) {
    for (const Field value : {static_cast<Field>(values)...}) {
        const std::string text =
            refusal([&](CircuitBreakerOptions& o) { o.*field = value; });
        CAPTURE(text);
        CHECK(text.starts_with(std::string{"CircuitBreakerOptions::"} + name + " "));
    }
}

template <class Field, class... Values>
void accepts(Field CircuitBreakerOptions::*field, Values... values) {
    for (const Field value : {static_cast<Field>(values)...}) {
        CHECK(refusal([&](CircuitBreakerOptions& o) { o.*field = value; }) == "nothing");
    }
}

}  // namespace

TEST_CASE("each option out of range is refused by its name") {
    using O = CircuitBreakerOptions;
    const double below = std::nextafter(0.0, -1.0);
    const double above = std::nextafter(1.0, 2.0);
    refuses("failure_ratio", &O::failure_ratio, below, above, kNan, kInfinity);
    refuses("slow_ratio", &O::slow_ratio, below, above, kNan, -kInfinity);
    refuses("slow_after", &O::slow_after, -1ns, -kForever);
    refuses("count_slow_abandoned", &O::count_slow_abandoned, true);
    refuses("min_calls", &O::min_calls, 0u, 8192u, ~0u);
    refuses("open_for", &O::open_for, 0ns, -1s, 1ms - 1ns, 366 * 24h + 1ns, kForever);
    refuses("probes", &O::probes, 0u, 256u, 1u << 31, ~0u);
    refuses("close_after", &O::close_after, 0u, 4u, ~0u);
    refuses("reopen_after", &O::reopen_after, 3u, ~0u);
    refuses("probe_lease", &O::probe_lease, 0ns, -1s, 1ms - 1ns, 1h + 1ns, kForever);
    refuses("slow_start", &O::slow_start, -1ns, 24h + 1ns, kForever);
    refuses("slow_start_share", &O::slow_start_share, 0.0, -0.1, above, kNan);
}

TEST_CASE("each option at the ends of its range is accepted") {
    using O = CircuitBreakerOptions;
    accepts(&O::failure_ratio, 0.0, 1.0);
    accepts(&O::slow_ratio, 0.0, 1.0);
    accepts(&O::slow_after, 0ns, kForever);
    accepts(&O::min_calls, 1u, 8191u);
    accepts(&O::consecutive_failures, 0u, ~0u);
    accepts(&O::open_for, 1ms, 366 * 24h);
    accepts(&O::probes, 2u, 255u);
    accepts(&O::close_after, 1u, 3u);
    accepts(&O::reopen_after, 0u, 1u, 2u);
    accepts(&O::probe_lease, 1ms, 1h);
    accepts(&O::slow_start, 0ns, 24h);
    accepts(&O::slow_start_share, std::numeric_limits<double>::min(), 1.0);
    CHECK(refusal([](O&) {}) == "nothing");
    CHECK(refusal([](O& o) { o = O::mailflow(); }) == "nothing");
}

TEST_CASE("options that contradict each other are refused") {
    using O = CircuitBreakerOptions;
    CHECK(refusal([](O& o) { o.window = CountWindowOptions{.calls = 19}; }
    ).starts_with("CircuitBreakerOptions::min_calls "));
    CHECK(refusal([](O& o) { o.window = CountWindowOptions{.calls = 20}; }) == "nothing");
    CHECK(refusal([](O& o) { o.window = ConsecutiveWindowOptions{}; }
    ).starts_with("CircuitBreakerOptions::consecutive_failures "));
    CHECK(refusal([](O& o) {
              o.window = ConsecutiveWindowOptions{};
              o.trip_if = [](const CallCounts&) { return true; };
          }) == "nothing");
    CHECK(refusal([](O& o) { o.window = TimeWindowOptions{.buckets = 5}; }
    ).starts_with("TimeWindowOptions::buckets "));
}

TEST_CASE("a breaker of the smallest shape works") {
    const TimePoint t0 = TimePoint{} + 1h;
    for (const WindowOptions& window :
         {WindowOptions{TimeWindowOptions{.length = 1s, .buckets = 1}},
          WindowOptions{CountWindowOptions{.calls = 1}}}) {
        CircuitBreaker breaker{
            {.window = window,
             .failure_ratio = 1.0,
             .min_calls = 1,
             .open_for = 1ms,
             .probes = 1,
             .close_after = 1,
             .reopen_after = 1,
             .probe_lease = 1ms}};
        TimePoint now = t0;
        for (int i = 0; i < 100; ++i) {
            breaker.try_acquire(now).done(Verdict::success, now);
            if (i % 2 == 0) now += 1s;
            breaker.reset();
            breaker.try_acquire(now).done(Verdict::transient, now);
            CHECK(breaker.state(now) == CircuitState::open);
            CHECK_FALSE(breaker.try_acquire(now));
            now += 1ms;
            auto probe = breaker.try_acquire(now);
            CHECK(probe);
            CHECK_FALSE(breaker.try_acquire(now));
            std::move(probe).done(Verdict::success, now);
            CHECK(breaker.state(now) == CircuitState::closed);
        }
    }
}

TEST_CASE("the states have names") {
    CHECK(std::string{to_string(CircuitState::closed)} == "closed");
    CHECK(std::string{to_string(CircuitState::open)} == "open");
    CHECK(std::string{to_string(CircuitState::half_open)} == "half_open");
    CHECK(std::string{to_string(CircuitState::forced_open)} == "forced_open");
    CHECK(std::string{to_string(CircuitState::forced_closed)} == "forced_closed");
    CHECK(std::string{to_string(CircuitState::metrics_only)} == "metrics_only");
    CHECK(std::string{to_string(static_cast<CircuitState>(7))} == "unknown");
}
