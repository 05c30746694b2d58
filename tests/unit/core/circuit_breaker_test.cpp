// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/shared_circuit_breaker.hpp>
#include <resilience/testing/manual_clock.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "unit/core/circuit_calls.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

TEST_CASE("a closed circuit opens at its failure ratio, and not below") {
    CircuitBreaker breaker{
        {.window = CountWindowOptions{.calls = 100},
         .failure_ratio = 0.07,
         .min_calls = 100}};
    for (int i = 0; i < 94; ++i) CHECK(call(breaker, Verdict::success));
    for (int i = 0; i < 6; ++i) CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::closed);
    CHECK(breaker.snapshot(t0).counts.failure_ratio() == 0.06);
    CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::open);
}

TEST_CASE("a ratio is not judged before the minimum of calls") {
    CircuitBreaker breaker{{.failure_ratio = 0.5, .min_calls = 10}};
    for (int i = 0; i < 9; ++i) CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::closed);
    CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::open);
}

TEST_CASE("a success opens no circuit, even if it completes the minimum of calls") {
    CircuitBreaker breaker{{.failure_ratio = 0.5, .min_calls = 10}};
    for (int i = 0; i < 9; ++i) call(breaker, Verdict::transient);
    call(breaker, Verdict::success);
    CHECK(breaker.state(t0) == CircuitState::closed);
    call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::open);
}

TEST_CASE("failures in a row open the circuit, and a success breaks the row") {
    CircuitBreaker breaker{
        {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 3}};
    for (const Verdict v :
         {Verdict::transient,
          Verdict::throttled,
          Verdict::success,
          Verdict::permanent,
          Verdict::transient,
          Verdict::client_error,
          Verdict::transient,
          Verdict::transient}) {
        CHECK(call(breaker, v));
        CHECK(breaker.state(t0) == CircuitState::closed);
    }
    CHECK(breaker.snapshot(t0).counts.consecutive_failures == 2);
    CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::open);
}

TEST_CASE("slow calls open the circuit, whether they are measured or told") {
    CircuitBreaker breaker{
        {.window = CountWindowOptions{.calls = 4},
         .failure_ratio = 0,
         .slow_ratio = 0.5,
         .slow_after = 100ms,
         .min_calls = 4}};
    const auto lasting = [&](std::chrono::nanoseconds d, Verdict v) {
        auto permit = breaker.try_acquire(t0);
        REQUIRE(permit);
        std::move(permit).done(v, t0 + d);
    };
    lasting(100ms - 1ns, Verdict::success);
    lasting(100ms, Verdict::success);
    lasting(100ms - 1ns, Verdict::success);
    CHECK(breaker.snapshot(t0).counts == CallCounts{3, 0, 1, 0});
    lasting(0ms, Verdict::slow);
    CHECK(breaker.state(t0) == CircuitState::open);
}

TEST_CASE("a slow failure counts as both") {
    CircuitBreaker breaker{{.slow_after = 100ms}};
    auto permit = breaker.try_acquire(t0);
    std::move(permit).done(Verdict::transient, t0 + 1s);
    CHECK(breaker.snapshot(t0 + 1s).counts == CallCounts{1, 1, 1, 1});
}

TEST_CASE("calls that time has left behind do not count") {
    CircuitBreaker breaker{
        {.window = TimeWindowOptions{.length = 8s, .buckets = 8}, .min_calls = 10}};
    for (int i = 0; i < 9; ++i) call(breaker, Verdict::transient, t0);
    CHECK(breaker.snapshot(t0 + 7s).counts.failures == 9);
    CHECK(breaker.snapshot(t0 + 8s).counts.failures == 0);
    call(breaker, Verdict::transient, t0 + 8s);
    CHECK(breaker.state(t0 + 8s) == CircuitState::closed);
    CHECK(breaker.snapshot(t0 + 8s).counts.failures == 1);
}

TEST_CASE("an open circuit refuses, and tells for how long") {
    CircuitBreaker breaker{quick()};
    open(breaker);
    auto permit = breaker.try_acquire(t0 + 400ms);
    CHECK_FALSE(permit);
    CHECK(permit.retry_after() == 600ms);
    CHECK(permit.admission() == Admission::refuse(600ms));
    std::move(permit).done(Verdict::success, t0);
    CHECK_FALSE(breaker.try_acquire(t0 + 1s - 1ns));
    CHECK(breaker.snapshot(t0 + 400ms).open_for == 600ms);
    auto probe = breaker.try_acquire(t0 + 1s);
    CHECK(probe);
    CHECK(probe.retry_after() == 0s);
    CHECK(probe.admission() == Admission::admit());
}

TEST_CASE("good probes close the circuit, and what was counted before is forgotten") {
    CircuitBreaker breaker{quick()};
    open(breaker);
    CHECK(call(breaker, Verdict::success, t0 + 1s));
    CHECK(breaker.state(t0 + 1s) == CircuitState::closed);
    CHECK(breaker.snapshot(t0 + 1s).counts == CallCounts{});
    CHECK(call(breaker, Verdict::transient, t0 + 1s));
    CHECK(breaker.state(t0 + 1s) == CircuitState::closed);
}

TEST_CASE("a bad probe opens the circuit for the whole time again") {
    CircuitBreaker breaker{quick()};
    open(breaker);
    CHECK(call(breaker, Verdict::transient, t0 + 5s));
    CHECK(breaker.state(t0 + 5s) == CircuitState::open);
    CHECK(breaker.try_acquire(t0 + 5s).retry_after() == 1s);
}

TEST_CASE("F4: opens after 5 failures for 30 s, lets 3 probes through, 2 close") {
    CircuitBreaker breaker{CircuitBreakerOptions::mailflow()};
    for (int i = 0; i < 4; ++i) call(breaker, Verdict::transient);
    CHECK(breaker.state(t0) == CircuitState::closed);
    call(breaker, Verdict::transient);
    CHECK(breaker.try_acquire(t0).retry_after() == 30s);
    const TimePoint later = t0 + 30s;
    auto a = breaker.try_acquire(later);
    auto b = breaker.try_acquire(later);
    auto c = breaker.try_acquire(later);
    CHECK(a);
    CHECK(b);
    CHECK(c);
    CHECK_FALSE(breaker.try_acquire(later));
    std::move(a).done(Verdict::success, later);
    CHECK(breaker.state(later) == CircuitState::half_open);
    std::move(b).done(Verdict::success, later);
    CHECK(breaker.state(later) == CircuitState::closed);
}

TEST_CASE("a slow probe is a bad one where slow calls open the circuit") {
    CircuitBreakerOptions options = quick();
    options.slow_after = 100ms;
    for (const double slow_ratio : {0.0, 0.5}) {
        options.slow_ratio = slow_ratio;
        CircuitBreaker breaker{options};
        open(breaker);
        auto probe = breaker.try_acquire(t0 + 1s);
        std::move(probe).done(Verdict::success, t0 + 2s);
        const auto expected = slow_ratio > 0 ? CircuitState::open : CircuitState::closed;
        CHECK(breaker.state(t0 + 2s) == expected);
    }
}

TEST_CASE("a permit that is moved from or assigned over counts once") {
    CircuitBreakerOptions options = quick();
    options.probes = 2;
    options.close_after = 2;
    CircuitBreaker breaker{options};
    open(breaker);
    const TimePoint later = t0 + 1s;
    auto a = breaker.try_acquire(later);
    auto b = std::move(a);
    CHECK_FALSE(a);
    CHECK(a.retry_after() == 0s);
    CHECK(breaker.snapshot(later).probes_in_flight == 1);
    b = breaker.try_acquire(later);
    CHECK(breaker.snapshot(later).probes_in_flight == 1);
    auto other = breaker.try_acquire(later);
    std::move(b).done(Verdict::success, later);
    std::move(b).done(Verdict::success, later);
    CHECK(breaker.snapshot(later).probes_ok == 1);
    CHECK(breaker.snapshot(later).probes_in_flight == 1);
    static_assert(!std::is_copy_constructible_v<CircuitBreaker<>::Permit>);
    static_assert(sizeof(CircuitBreaker<>::Permit) == 24);
}

TEST_CASE("a shared breaker lives as long as its permits") {
    std::optional<SharedCircuitBreaker<>> breaker{std::in_place, quick()};
    const std::weak_ptr<CircuitBreaker<>> seen = [&] {
        auto shared = std::make_shared<CircuitBreaker<>>(quick());
        breaker.emplace(shared);
        return std::weak_ptr{shared};
    }();
    auto permit = breaker->try_acquire(t0);
    CHECK(permit);
    auto moved = std::move(permit);
    breaker.reset();
    CHECK_FALSE(seen.expired());
    std::move(moved).done(Verdict::success, t0);
    moved = SharedCircuitBreaker{quick()}.try_acquire(t0);
    CHECK(seen.expired());
    CHECK(moved.admission());
    moved = SharedCircuitBreaker{quick()}.try_acquire(t0);
    std::move(moved).abandon(t0);
}

TEST_CASE("a shared breaker refuses and counts as a plain one") {
    SharedCircuitBreaker breaker{quick()};
    for (int i = 0; i < 2; ++i) breaker.try_acquire(t0).done(Verdict::transient, t0);
    const SharedCircuitBreaker same = breaker;
    CHECK(same->state(t0) == CircuitState::open);
    CHECK(same.try_acquire(t0).retry_after() == 1s);
    CHECK(&*same == &*breaker);
}

TEST_CASE("a permit without an outcome ends by the time source of its breaker") {
    const CircuitBreakerOptions options{
        .window = CountWindowOptions{.calls = 10},
        .slow_ratio = 0.5,
        .slow_after = 60s,
        .count_slow_abandoned = true,
        .min_calls = 5,
        .open_for = 10s};
    ManualClock clock;
    const auto abandon_after = [&](auto& breaker, std::chrono::nanoseconds time) {
        for (int i = 0; i < 5; ++i) {
            auto permit = breaker.try_acquire(clock.now());
            clock.advance(time);
            if (i % 2 == 0) std::move(permit).abandon();
        }
    };
    CircuitBreaker breaker{options, NoObserver{}, clock};
    static_assert(std::same_as<decltype(breaker), TimedCircuitBreaker<ManualClock&>>);
    abandon_after(breaker, 1ms);
    CHECK(breaker.state(clock.now()) == CircuitState::closed);
    CHECK(breaker.snapshot(clock.now()).counts.calls == 0);
    abandon_after(breaker, 60s);
    CHECK(breaker.state(clock.now()) == CircuitState::open);
    CHECK(breaker.try_acquire(clock.now()).retry_after() == 10s);

    TimedSharedCircuitBreaker<const ManualClock&> shared{options, {}, clock};
    abandon_after(shared, 1ms);
    CHECK(shared->state(clock.now()) == CircuitState::closed);
    abandon_after(shared, 60s);
    CHECK(shared.try_acquire(clock.now()).retry_after() == 10s);
}
