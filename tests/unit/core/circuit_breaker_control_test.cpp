// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/shared_circuit_breaker.hpp>
#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

#include "unit/core/circuit_calls.hpp"

RESILIENCE_COUNT_ALLOCATIONS;

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

TEST_CASE("forced states obey commands alone") {
    CircuitBreaker breaker{quick()};
    breaker.force_open();
    CHECK(breaker.try_acquire(t0 + 1h).retry_after() == Admission::never);
    CHECK_FALSE(breaker.try_acquire(t0 + 1h).admission().possible());
    breaker.force_closed();
    for (int i = 0; i < 50; ++i) CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::forced_closed);
    breaker.metrics_only();
    for (int i = 0; i < 50; ++i) CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::metrics_only);
    CHECK(breaker.snapshot(t0).counts == CallCounts{4, 4, 0, 50});
    breaker.reset();
    CHECK(breaker.state(t0) == CircuitState::closed);
    CHECK(breaker.snapshot(t0).counts == CallCounts{});
}

TEST_CASE("a circuit that cannot open asks no functor") {
    int asked = 0;
    CircuitBreakerOptions options = quick();
    options.trip_if = [&](const CallCounts&) { return ++asked > 0; };
    CircuitBreaker breaker{options};
    breaker.metrics_only();
    call(breaker, Verdict::transient);
    breaker.force_closed();
    call(breaker, Verdict::transient);
    CHECK(asked == 0);
}

namespace {

struct SpyWindow {
    int recorded = 0;
    void record(std::uint32_t, CallOutcome, TimePoint) noexcept { ++recorded; }
    CallCounts counts(std::uint32_t, TimePoint) const noexcept { return {}; }
};

}  // namespace

TEST_CASE("a window is told of calls in closed and metrics_only alone") {
    const auto window = std::make_shared<SpyWindow>();
    CircuitBreaker<NoObserver, SpyWindow> breaker{
        {.consecutive_failures = 2, .open_for = 1s, .probes = 1, .close_after = 1},
        window};
    call(breaker, Verdict::success);
    breaker.metrics_only();
    call(breaker, Verdict::transient);
    CHECK(window->recorded == 2);
    breaker.force_closed();
    call(breaker, Verdict::transient);
    breaker.reset();
    open(breaker);
    call(breaker, Verdict::success, t0 + 1s);
    CHECK(window->recorded == 4);
}

TEST_CASE("a call that began before force_closed reports in vain") {
    CircuitBreaker breaker{quick()};
    auto permit = breaker.try_acquire(t0);
    breaker.force_closed();
    std::move(permit).done(Verdict::transient, t0);
    CHECK(breaker.state(t0) == CircuitState::forced_closed);
}

TEST_CASE("a user's functor opens the circuit, and sees the counts") {
    CircuitBreaker breaker{
        {.window = CountWindowOptions{.calls = 100},
         .failure_ratio = 0,
         .trip_if = [](const CallCounts& c) { return c.failures == 3 && c.calls == 5; }}};
    for (int i = 0; i < 2; ++i) call(breaker, Verdict::success);
    for (int i = 0; i < 2; ++i) call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::closed);
    call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::open);
}

TEST_CASE("each generation is told once, in order, with its cause") {
    CircuitLog log;
    CircuitBreaker breaker{quick(), CircuitRecorder{&log}};
    auto old = breaker.try_acquire(t0);
    open(breaker);
    CHECK_FALSE(call(breaker, Verdict::success, t0));
    std::move(old).done(Verdict::transient, t0);
    auto lost = breaker.try_acquire(t0 + 1s);
    { auto permit = breaker.try_acquire(t0 + 2s); }
    CHECK(call(breaker, Verdict::success, t0 + 2s));
    std::move(lost).done(Verdict::transient, t0 + 2s);

    REQUIRE(log.transitions.size() == 4);
    for (std::uint32_t i = 0; i < 4; ++i) CHECK(log.transitions[i].generation == i + 1);
    CHECK(log.transitions[0].from == CircuitState::closed);
    CHECK(log.transitions[0].to == CircuitState::open);
    CHECK(log.transitions[0].counts == CallCounts{2, 2, 0, 2});
    CHECK(log.transitions[1].to == CircuitState::half_open);
    CHECK(log.transitions[2].from == CircuitState::half_open);
    CHECK(log.transitions[2].to == CircuitState::half_open);
    CHECK(log.transitions[3].to == CircuitState::closed);
    REQUIRE(log.refused.size() == 1);
    CHECK(log.refused[0].retry_after == 1s);
    CHECK(log.probes.size() == 3);
    REQUIRE(log.expired.size() == 1);
    CHECK(log.expired[0].generation == 2);
    CHECK(log.expired[0].probes == 1);
    CHECK(log.abandoned.size() == 1);
    CHECK(log.stale.size() == 2);
    CHECK(log.outcomes.size() == 3);
}

TEST_CASE("a slow start draws its own random numbers") {
    CircuitBreakerOptions options = quick();
    options.slow_start = 10s;
    options.slow_start_share = 0.5;
    CircuitBreaker breaker{options};
    open(breaker);
    call(breaker, Verdict::success, t0 + 1s);
    int admitted = 0;
    for (int i = 0; i < 10'000; ++i) admitted += breaker.try_acquire(t0 + 1s) ? 1 : 0;
    CHECK(admitted > 4'000);
    CHECK(admitted < 6'000);
}

TEST_CASE("reconfigure applies at once, and a new window begins empty") {
    CircuitBreaker breaker{quick()};
    call(breaker, Verdict::transient);
    auto old = breaker.try_acquire(t0);
    CircuitBreakerOptions options = quick();
    options.open_for = 7s;
    breaker.reconfigure(options);
    CHECK(breaker.snapshot(t0).counts.failures == 1);
    options.window = CountWindowOptions{.calls = 2};
    breaker.reconfigure(options);
    CHECK(breaker.snapshot(t0).counts == CallCounts{});
    CHECK(breaker.snapshot(t0).generation == 1);
    std::move(old).done(Verdict::transient, t0);
    CHECK(breaker.snapshot(t0).counts == CallCounts{});
    open(breaker);
    CHECK(breaker.try_acquire(t0).retry_after() == 7s);
    CHECK(breaker.options().open_for == 7s);
}

TEST_CASE("reconfigure with fewer probes mints none and leaves nobody stuck") {
    CircuitBreakerOptions options = quick();
    options.probes = 3;
    options.close_after = 3;
    options.reopen_after = 1;
    CircuitBreaker breaker{options};
    open(breaker);
    const TimePoint later = t0 + 1s;
    call(breaker, Verdict::success, later);
    call(breaker, Verdict::success, later);
    auto third = breaker.try_acquire(later);
    breaker.reconfigure(quick());
    CHECK_FALSE(breaker.try_acquire(later));
    std::move(third).abandon(later);
    CHECK(call(breaker, Verdict::success, later));
    CHECK(breaker.state(later) == CircuitState::closed);
}

TEST_CASE("a bad reconfiguration changes nothing, and the functor stays") {
    CircuitBreakerOptions options = quick();
    options.failure_ratio = 0;
    options.trip_if = [](const CallCounts& c) { return c.failures > 0; };
    CircuitBreaker breaker{options};
    CircuitBreakerOptions bad = quick();
    bad.probes = 0;
    CHECK_THROWS_AS(breaker.reconfigure(bad), std::invalid_argument);
    CHECK(breaker.options().probes == 1);
    CircuitBreakerOptions good = quick();
    good.failure_ratio = 0;
    good.open_for += std::chrono::seconds{1};
    breaker.reconfigure(good);
    call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::open);
}

namespace {

/// An error cost that decays with each call, as a user may write it.
class Decaying {
public:
    void record(std::uint32_t generation, CallOutcome o, TimePoint) noexcept {
        if (generation != generation_) cost_ = 0;
        generation_ = generation;
        cost_ = cost_ / 2 + (o.failure ? 500 : 0);
    }
    CallCounts counts(std::uint32_t generation, TimePoint) const noexcept {
        if (generation != generation_) return {};
        return {1000, cost_, 0};
    }

private:
    std::uint32_t generation_ = 0;
    std::uint32_t cost_ = 0;
};

}  // namespace

TEST_CASE("a breaker takes a window of the user's") {
    static_assert(CallWindow<Decaying>);
    CircuitBreaker<NoObserver, Decaying> breaker{
        {.failure_ratio = 0.7}, std::make_shared<Decaying>()};
    call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::closed);
    call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::open);
    CHECK(call(breaker, Verdict::success, t0 + 5s));
    CHECK(call(breaker, Verdict::success, t0 + 5s));
    CHECK(breaker.snapshot(t0 + 5s).counts == CallCounts{});
    CircuitBreakerOptions other{.window = CountWindowOptions{}, .failure_ratio = 0.9};
    breaker.reconfigure(other);
    CHECK(breaker.state(t0 + 5s) == CircuitState::closed);
}

TEST_CASE("admission, outcome, refusal and transition allocate nothing") {
    for (const WindowOptions& window :
         {WindowOptions{TimeWindowOptions{}},
          WindowOptions{CountWindowOptions{}},
          WindowOptions{ConsecutiveWindowOptions{}}}) {
        CircuitBreakerOptions options = quick();
        options.window = window;
        options.consecutive_failures = 10;
        options.slow_start = 1s;
        CircuitBreaker breaker{options};
        SharedCircuitBreaker shared{options};
        (void)thread_random();
        const AllocationCounter counter;
        TimePoint now = t0;
        for (int i = 0; i < 1000; ++i, now += 50ms) {
            const Verdict v = i % 100 < 20 ? Verdict::transient : Verdict::success;
            if (auto permit = breaker.try_acquire(now)) std::move(permit).done(v, now);
            if (auto permit = shared.try_acquire(now)) std::move(permit).done(v, now);
            (void)breaker.snapshot(now);
        }
        CHECK(counter.made() == 0);
        CHECK(breaker.snapshot(now).generation > 10);
    }
}

TEST_CASE("memory that runs out in the constructor or in reconfigure changes nothing") {
    const std::uint64_t made = fail_each_allocation(
        [] { CircuitBreaker<> breaker{{.window = TimeWindowOptions{}}}; }, [] {}
    );
    CHECK(made >= 3);
    CircuitBreaker breaker{quick()};
    call(breaker, Verdict::transient);
    CircuitBreakerOptions other = quick();
    other.window = TimeWindowOptions{};
    other.open_for = 9s;
    std::uint64_t changed = 0;
    fail_each_allocation(
        [&] { breaker.reconfigure(other); },
        [&] {
            if (breaker.options().open_for == 9s) {
                ++changed;
            } else {
                CHECK(breaker.snapshot(t0).counts.failures == 1);
                CHECK(breaker.snapshot(t0).generation == 0);
            }
        }
    );
    CHECK(changed == 1);
    CHECK(breaker.snapshot(t0).generation == 1);
}

TEST_CASE("70 resets do not bring back what was counted before") {
    for (const WindowOptions& window :
         {WindowOptions{TimeWindowOptions{}}, WindowOptions{CountWindowOptions{}}}) {
        CircuitBreaker breaker{{.window = window}};
        for (int i = 0; i < 70; ++i) {
            if (i == 0) {
                for (int k = 0; k < 15; ++k) call(breaker, Verdict::transient);
                CHECK(breaker.snapshot(t0).counts.failures == 15);
            }
            breaker.reset();
            CHECK(breaker.snapshot(t0).counts == CallCounts{});
        }
    }
}
