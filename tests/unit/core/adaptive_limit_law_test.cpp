// SPDX-License-Identifier: MIT
#include <resilience/detail/adaptive_law.hpp>
#include <resilience/detail/limit_sampler.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

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

/// A window of few calls.
LimitWindow few(
    std::uint32_t samples, std::uint32_t peak, std::chrono::nanoseconds mean = 10ms
) {
    return {.samples = samples, .mean = mean, .peak = peak};
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
    CHECK(law.fate(s, span, few(9, 1), kStart + 1s - 1ns) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(9, 1), kStart + 1s) == WindowFate::is_forgotten);
    CHECK(law.fate(s, span, few(30, 1), kStart) == WindowFate::counts);
    s = law.after_silence(s, kStart + 1s);
    CHECK_FALSE(s.probing);
    CHECK(s.baseline == 10ms);
    CHECK(s.limit == 20);
    CHECK(s.probe_at == kStart + 31s);
}

TEST_CASE(
    "a window fills slowly where calls are slow, and is forgotten where they are few"
) {
    const AdaptiveLaw law{{}};
    const AdaptiveState s = known(20, 10ms);
    const auto span = law.window(s, kStart);
    CHECK(law.fate(s, span, few(9, 9), kStart + 1s - 1ns) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(9, 9), kStart + 1s) == WindowFate::is_forgotten);
    CHECK(law.fate(s, span, few(9, 10), kStart + 24h) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(10, 1), kStart + 100ms - 1ns) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(10, 1), kStart + 100ms) == WindowFate::counts);
}

TEST_CASE("a probe in full use lasts as long as its calls, and not longer") {
    const AdaptiveLaw law{{}};
    AdaptiveState s = known(20, 400ms);
    s.probing = true;
    const auto span = law.window(s, kStart);
    // Thirty calls, three at a time, in twice the time that they should take.
    const auto longest = 22 * 400ms;
    CHECK(law.fate(s, span, few(9, 3), kStart + longest - 1ns) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(9, 3), kStart + longest) == WindowFate::is_forgotten);
    // As many as make a window are better than nothing.
    CHECK(law.fate(s, span, few(10, 3), kStart + longest) == WindowFate::counts);
    // Who has become slower is given the time to show it, up to the timeout of a call.
    CHECK(law.fate(s, span, few(9, 3, 1s), kStart + 22s - 1ns) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(9, 3, 1s), kStart + 22s) == WindowFate::is_forgotten);
    CHECK(law.fate(s, span, few(9, 3, 1h), kStart + 110s) == WindowFate::is_forgotten);

    const AdaptiveLaw patient{{.timeout = std::chrono::nanoseconds::max()}};
    CHECK(patient.fate(s, span, few(9, 3, 1h), kStart + 22h) == WindowFate::is_forgotten);
    s.baseline = std::chrono::nanoseconds::max();
    CHECK(patient.fate(s, span, few(9, 3), kStart + 10000h) == WindowFate::goes_on);
}

TEST_CASE("calls that are few of themselves measure, and no probe is made for them") {
    const AdaptiveLaw law{{.probe_every = 10s}};
    AdaptiveState s = law.first(kStart);
    s.baseline = 10ms;
    s = law.after(s, few(10, 3, 12ms), kStart + 9s);
    CHECK(s.baseline == 12ms);
    CHECK(s.probe_at == kStart + 19s);
    s = law.after(s, few(10, 3, 12ms), kStart + 18s);
    CHECK_FALSE(s.probing);
    // These may have waited for each other, or are too few to tell.
    CHECK(law.after(s, few(10, 4, 20ms), kStart + 18s).baseline == 12ms);
    CHECK(law.after(s, few(9, 3, 20ms), kStart + 18s).baseline == 12ms);
    // These are few because more are refused.
    s.limit = 3;
    CHECK(law.after(s, few(10, 3, 20ms), kStart + 18s).baseline == 12ms);
}

TEST_CASE("a measurement that calls of before hold up is made beside them") {
    const AdaptiveLaw law{{.initial = 75}};
    AdaptiveState s = law.first(kStart - 30s);
    s.baseline = 5ms;
    s = law.after(s, busy(4ms), kStart);
    REQUIRE(s.probing);
    REQUIRE(law.limit(s) == 3);
    // It waits for four times as long as calls take.
    const auto span = law.window(s, kStart);
    const TimePoint end = kStart + 20ms;
    CHECK(span.stale == end);
    const LimitWindow none;
    CHECK(law.is_held_up(s, span, none, 3, end));
    CHECK_FALSE(law.is_held_up(s, span, none, 25, end - 1ns));
    CHECK_FALSE(law.is_held_up(s, span, none, 2, end));
    CHECK_FALSE(law.is_held_up(s, span, few(1, 3), 25, end));
    CHECK_FALSE(law.is_held_up(s, span, {.drops = 1}, 25, end));
    CHECK(law.fate(s, span, few(9, 1), end) == WindowFate::goes_on);
    CHECK(law.fate(s, span, few(9, 1), kStart + 1s) == WindowFate::is_forgotten);

    s = law.after_hold_up(s, span, 25, end);
    CHECK(s.probing);
    CHECK(law.limit(s) == 28);
    const auto beside = law.window(s, end);
    CHECK(beside.stale == end + 1s);
    CHECK(beside.enough == 30);
    CHECK_FALSE(law.is_held_up(s, beside, none, 28, end + 1s));
    CHECK(
        law.fate(s, beside, few(9, 28, 200ms), end + 4400ms - 1ns) == WindowFate::goes_on
    );
    CHECK(
        law.fate(s, beside, few(9, 28, 200ms), end + 4400ms) == WindowFate::is_forgotten
    );
    AdaptiveState low = s;
    low.limit = 20;
    CHECK(law.limit(low) == 20);
    s = law.after(s, busy(6ms), end + 50ms);
    CHECK_FALSE(s.probing);
    CHECK(s.baseline == 6ms);
    CHECK(s.beside == 0);
}

TEST_CASE("a measurement that is held up is given up where it would last too long") {
    const AdaptiveLaw law{{.initial = 75}};
    const auto held_up = [&](std::chrono::nanoseconds call) {
        AdaptiveState s = law.first(kStart - 30s);
        s.baseline = call;
        s = law.after(s, busy(call), kStart);
        REQUIRE(s.probing);
        return law.after_hold_up(s, law.window(s, kStart), 25, kStart + 4 * call);
    };
    // Four times to wait, and 22 to measure, within ten windows.
    CHECK(held_up(38ms).probing);
    const AdaptiveState s = held_up(39ms);
    CHECK_FALSE(s.probing);
    CHECK(s.baseline == 39ms);
    CHECK(s.probe_at == kStart + 156ms + 30s);
}

TEST_CASE("a measurement waits for calls of before by what calls take of late") {
    const AdaptiveLaw law{{.probe_every = 1s}};
    const auto patience = [&](std::chrono::nanoseconds baseline, const LimitWindow& w) {
        AdaptiveState s = law.first(kStart);
        s.baseline = baseline;
        return law.after(s, w, kStart + 1s).patience;
    };
    CHECK(patience(5ms, busy(10ms)) == 40ms);
    CHECK(patience(5ms, busy(1h)) == 20s);
    CHECK(patience(std::chrono::nanoseconds::max(), busy(1ms)) == 20s);
    // As long as nothing is known of them it waits for no time of theirs.
    AdaptiveState s = law.first(kStart);
    s = law.after(s, {.drops = 100, .peak = 20}, kStart + 1s);
    REQUIRE(s.probing);
    const auto span = law.window(s, kStart + 1s);
    CHECK(span.stale == kStart + 2s);
    CHECK_FALSE(law.is_held_up(s, span, {}, 20, kStart + 1h));
    // It is no longer than before for calls that are slower than ten windows.
    s.patience = 2s;
    CHECK(law.window(s, kStart).stale == kStart + 1s);
    const AdaptiveLaw all{{.probe = std::numeric_limits<std::uint32_t>::max()}};
    s.beside = 5;
    CHECK(all.limit(s) == 18);
}

TEST_CASE("a call that takes far longer than others counts as no more than all slow ones"
) {
    const AdaptiveLaw law{{.tolerance = 1.5}};
    CHECK(law.longest(known(10, 0ns)) == std::chrono::nanoseconds::max());
    CHECK(law.longest(known(10, 24h * 36'500)) == std::chrono::nanoseconds::max());
    const AdaptiveState s = known(100, 10ms);
    CHECK(law.longest(s) == 30ms);
    // If all calls take so long, the limit sinks as fast as it can.
    const double least = law.after(s, busy(30ms), kStart).limit;
    CHECK(least == doctest::Approx(90));
    CHECK(law.after(s, busy(1h), kStart).limit == least);
    CHECK(law.after(s, busy(29ms), kStart).limit > least);
    // What was cut off does not make it sink.
    LimitWindow w = busy(15ms);
    w.cut = 1h;
    CHECK(law.after(s, w, kStart).limit > 100);
}

TEST_CASE("a baseline has what was cut off once many calls are slow, and not before") {
    const AdaptiveLaw law{{.probe_every = 1s, .tolerance = 1.5}};
    LimitWindow w = busy(15ms);
    w.cut = 100ms;
    AdaptiveState s = known(100, 10ms);
    s.probing = true;
    CHECK(law.after(s, w, kStart).baseline == 15ms);
    w.mean = 15ms + 1ns;
    CHECK(law.after(s, w, kStart).baseline == 115ms + 1ns);
    // So it is where calls are few of themselves.
    s.probing = false;
    w.peak = 1;
    CHECK(law.after(s, w, kStart).baseline == 115ms + 1ns);
    w.mean = 15ms;
    CHECK(law.after(s, w, kStart).baseline == 15ms);
    // A measurement waits by the same.
    s.probe_at = kStart;
    w.peak = 100;
    CHECK(law.after(s, w, kStart).patience == 60ms);
    w.mean = 20ms;
    CHECK(law.after(s, w, kStart).patience == 480ms);
}

TEST_CASE("a sampler tells what it cut off, of the calls that it counted") {
    detail::LimitSampler sampler;
    constexpr auto grain = 64ns;
    sampler.add(LimitSample::duration, 10 * grain, 30 * grain, 1);
    sampler.add(LimitSample::duration, 30 * grain, 30 * grain, 1);
    sampler.add(LimitSample::duration, 130 * grain, 30 * grain, 1);
    sampler.add(LimitSample::duration, 1h, std::chrono::nanoseconds::max(), 1);
    sampler.add(LimitSample::drop, 1h, 1ns, 1);
    LimitWindow w = sampler.so_far();
    CHECK(w.samples == 4);
    CHECK(w.drops == 1);
    CHECK(w.cut == 25 * grain);
    CHECK(w.mean > 60s);  // a quarter of the longest that is counted
    CHECK(sampler.take().cut == w.cut);
    sampler.add(LimitSample::duration, grain, grain, 1);
    CHECK(sampler.take().cut == 0ns);
    for (int i = 0; i < 0x10005; ++i) sampler.add(LimitSample::duration, 3ms, 1ms, 1);
    w = sampler.take();
    CHECK(w.samples == detail::LimitSampler::kMost);
    CHECK(w.mean == 1ms);
    CHECK(w.cut == 2ms);
}
