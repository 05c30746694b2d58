// SPDX-License-Identifier: MIT
#include <resilience/detail/adaptive_law.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using namespace resilience;
using detail::AdaptiveLaw;
using detail::AdaptiveState;
using detail::LimitSample;
using detail::LimitWindow;
using detail::WindowFate;

namespace {

constexpr TimePoint kStart{1h};

/// A window in which the limit was in full use.
LimitWindow busy(std::chrono::nanoseconds mean, std::uint32_t drops = 0) {
    return {.samples = 100, .mean = mean, .drops = drops, .peak = 1u << 20};
}

AdaptiveState known(double limit, std::chrono::nanoseconds baseline) {
    return {.limit = limit, .baseline = baseline};
}

}  // namespace

TEST_CASE("what a call's end tells a limit") {
    using V = Verdict;
    const auto of = [](V v) { return detail::sample_of(v, 1ms, 5s); };
    for (const V v : {V::success, V::slow, V::client_error}) {
        CHECK(of(v) == LimitSample::duration);
        CHECK(detail::sample_of(v, 5s, 5s) == LimitSample::drop);
    }
    for (const V v : {V::transient, V::throttled}) CHECK(of(v) == LimitSample::drop);
    for (const V v : {V::permanent, V::ignored, V::abandoned}) {
        CHECK(of(v) == LimitSample::none);
        CHECK(detail::sample_of(v, 5s, 5s) == LimitSample::none);
    }
}

TEST_CASE("AIMD: one more for a good window, a share less for a bad one") {
    const AdaptiveLaw law{
        {.algorithm = LimitAlgorithm::aimd, .initial = 10, .ceiling = 12}};
    AdaptiveState s = law.first(kStart);
    s = law.after(s, busy(1ms), kStart);
    CHECK(law.limit(s) == 11);
    for (int i = 0; i < 5; ++i) s = law.after(s, busy(1ms), kStart);
    CHECK(law.limit(s) == 12);
    s = law.after(s, busy(1ms, 100), kStart);
    CHECK(law.limit(s) == 10);
    for (int i = 0; i < 100; ++i) s = law.after(s, busy(1ms, 100), kStart);
    CHECK(law.limit(s) == 1);
    CHECK_FALSE(s.probing);
}

TEST_CASE("a few drops are no reason to back off, more are") {
    for (const auto algorithm : {LimitAlgorithm::aimd, LimitAlgorithm::gradient}) {
        const AdaptiveLaw law{{.algorithm = algorithm, .drop_tolerance = 0.05}};
        const AdaptiveState s = known(100, 1ms);
        CHECK(law.after(s, busy(1ms, 5), kStart).limit > 100);
        CHECK(law.after(s, busy(1ms, 6), kStart).limit == doctest::Approx(90));
        CHECK(law.after(s, {.drops = 1, .peak = 1}, kStart).limit == doctest::Approx(90));
    }
}

TEST_CASE("a limit that is not half in use does not grow") {
    for (const auto algorithm : {LimitAlgorithm::aimd, LimitAlgorithm::gradient}) {
        const AdaptiveLaw law{{.algorithm = algorithm}};
        const AdaptiveState s = known(100, 1ms);
        LimitWindow w = busy(1ms);
        w.peak = 49;
        CHECK(law.after(s, w, kStart).limit == 100);
        w.peak = 50;
        CHECK(law.after(s, w, kStart).limit > 100);
        w.peak = 1;
        w.drops = 100;
        CHECK(law.after(s, w, kStart).limit < 100);
    }
}

TEST_CASE("a gradient of 0.8 makes no limit grow, however small (concurrency-limits#134)"
) {
    const AdaptiveLaw law{{.initial = 2, .ceiling = 1u << 20, .tolerance = 1}};
    for (const double start : {2.0, 4.0, 10.0, 1000.0}) {
        AdaptiveState s = known(start, 8ms);
        for (int i = 0; i < 1000; ++i) {
            const double before = s.limit;
            s = law.after(s, busy(10ms), kStart);
            REQUIRE(s.limit <= before);
        }
        CHECK(s.baseline == 8ms);
        CHECK(s.limit == 1);
    }
}

TEST_CASE("a limit that has grown by its own queue stops there (concurrency-limits#134)"
) {
    // The peer does ten calls at once; more wait for each other.
    const AdaptiveLaw law{{.initial = 10, .ceiling = 1u << 20, .probe_every = 0ns}};
    AdaptiveState s = law.first(kStart);
    double most = 0;
    for (int i = 0; i < 10'000; ++i) {
        const double load = std::max(1.0, s.limit / 10);
        s = law.after(
            s,
            busy(std::chrono::nanoseconds(static_cast<std::int64_t>(1e7 * load))),
            kStart
        );
        most = std::max(most, s.limit);
    }
    CHECK(most < 20);
    CHECK(s.limit > 10);
}

TEST_CASE("the probe and the floor are two knobs (Envoy#46532)") {
    const AdaptiveLaw law{
        {.initial = 50, .floor = 30, .probe = 5, .probe_every = 10s, .min_samples = 10}};
    AdaptiveState s = law.first(kStart);
    s.baseline = 10ms;
    s = law.after(s, busy(10ms), kStart + 9s);
    CHECK_FALSE(s.probing);
    s = law.after(s, busy(10ms), kStart + 10s);
    REQUIRE(s.probing);
    const double before = s.limit;
    CHECK(law.limit(s) == 5);
    s = law.after(s, busy(12ms), kStart + 11s);
    CHECK_FALSE(s.probing);
    CHECK(s.baseline == 12ms);
    CHECK(s.limit == before);
    CHECK(s.probe_at == kStart + 21s);
    for (int i = 0; i < 4; ++i) s = law.after(s, busy(1s), kStart + 12s);
    for (int i = 0; i < 100 && !s.probing; ++i) s = law.after(s, busy(1s), kStart + 12s);
    CHECK(s.limit == 30);
    // A limit below the probe is not raised by it.
    const AdaptiveLaw low{{.initial = 2, .probe = 5}};
    s = {.limit = 2, .probing = true};
    CHECK(low.limit(s) == 2);
}

TEST_CASE("a limit that stays at its floor doubts its baseline") {
    const AdaptiveLaw law{{.initial = 1, .probe_every = 24h}};
    AdaptiveState s = law.first(kStart);
    s.baseline = 1ms;
    for (int i = 0; i < 4; ++i) s = law.after(s, busy(1s), kStart);
    CHECK_FALSE(s.probing);
    s = law.after(s, busy(1s), kStart);
    REQUIRE(s.probing);
    s = law.after(s, busy(1s), kStart);
    CHECK(s.baseline == 1s);
    s = law.after(s, busy(1s), kStart);
    CHECK(s.limit > 1);
}

TEST_CASE("a probe without enough calls ends, and leaves the baseline") {
    const AdaptiveLaw law{{}};
    AdaptiveState s = known(20, 10ms);
    s.probing = true;
    const auto span = law.window(s, kStart);
    CHECK(law.fate(s, span, 29, 1, kStart + 1s - 1ns) == WindowFate::goes_on);
    CHECK(law.fate(s, span, 29, 1, kStart + 1s) == WindowFate::is_forgotten);
    CHECK(law.fate(s, span, 29, 2, kStart + 1s) == WindowFate::goes_on);
    CHECK(law.fate(s, span, 30, 1, kStart) == WindowFate::counts);
    s = law.after_silence(s, kStart + 1s);
    CHECK_FALSE(s.probing);
    CHECK(s.baseline == 10ms);
    CHECK(s.limit == 20);
    CHECK(s.probe_at == kStart + 31s);
}
