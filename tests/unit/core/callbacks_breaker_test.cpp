// SPDX-License-Identifier: MIT
// Observers of a breaker, a throttle, a hedge and chaos that call what tells them, or
// block.
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/hedge.hpp>
#include <resilience/throttle.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include "unit/core/callbacks.hpp"

using namespace resilience;
using namespace resilience::testing;
using namespace std::chrono_literals;

namespace {

CircuitBreakerOptions opens_at_once() {
    return {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 1};
}

}  // namespace

TEST_CASE("an observer may call the breaker that tells it") {
    std::function<void()> again;
    int events = 0;
    CircuitBreaker<Back> breaker{opens_at_once(), Back{&again, &events}};
    again = [&, first = true]() mutable {
        if (!std::exchange(first, false)) return;
        call(breaker, Verdict::transient);
        CHECK(breaker.state(kStart) == CircuitState::open);
        breaker.reset();
        CircuitBreakerOptions other = opens_at_once();
        other.consecutive_failures = 2;
        breaker.reconfigure(other);
    };
    call(breaker, Verdict::transient);
    CHECK(events >= 3);  // opened; refused; closed
    CHECK(breaker.state(kStart) == CircuitState::closed);
    CHECK(breaker.options().consecutive_failures == 2);
    CHECK(breaker.try_acquire(kStart));
}

TEST_CASE("an observer that blocks holds up no other call of a breaker") {
    Gate gate;
    CircuitBreaker<Blocking> breaker{opens_at_once(), Blocking{&gate}};
    std::thread blocked{[&] { call(breaker, Verdict::transient); }};  // opens it
    gate.await();
    CHECK(breaker.state(kStart) == CircuitState::open);
    CHECK_FALSE(breaker.try_acquire(kStart));
    breaker.reset();
    breaker.reconfigure({.open_for = 1min});
    CHECK(breaker.try_acquire(kStart));
    gate.open();
    blocked.join();
    CHECK(breaker.options().open_for == 1min);
}

TEST_CASE("an observer that blocks holds up no other call of a throttle or a hedge") {
    Gate gate;
    Throttle<Blocking> throttle{{.grace = 0}, Blocking{&gate}, kStart};
    for (int i = 0; i < 10; ++i) {
        auto permit = throttle.try_acquire(kStart, ~std::uint64_t{0});
        std::move(permit).done(Verdict::transient, kStart);
    }
    std::thread blocked{[&] { (void)throttle.try_acquire(kStart, 0); }};  // refused
    gate.await();
    CHECK_FALSE(throttle.try_acquire(kStart, 0));
    CHECK(throttle.try_acquire(kStart, ~std::uint64_t{0}));
    throttle.reconfigure({.grace = 100}, kStart);
    CHECK(throttle.try_acquire(kStart, 0));
    gate.open();
    blocked.join();

    Gate second;
    RetryBudget budget{{.min_per_sec = 0, .initial = 28}, kStart};
    Hedge<Blocking> hedge{{.idempotent = true}, budget, Blocking{&second}};
    std::thread hedged{[&] { (void)hedge.try_start(1, kStart); }};
    second.await();
    const BudgetLease lease = hedge.try_start(1, kStart);
    CHECK(lease);
    CHECK_FALSE(hedge.try_start(1, kStart));
    hedge.reconfigure({.attempts = 3, .idempotent = true});
    second.open();
    hedged.join();
    CHECK(hedge.snapshot().suppressed == 1);
}

TEST_CASE("an observer may call the chaos that tells it") {
    std::function<void()> again;
    int events = 0;
    Chaos<NoOutcome, Back> chaos{{.fault_rate = 1}, {}, Back{&again, &events}};
    again = [&] {
        CHECK(chaos.next().instead == ChaosAction::Instead::fault);
        chaos.reconfigure({.fault_rate = 0});
    };
    CHECK(chaos.next().instead == ChaosAction::Instead::fault);
    CHECK(events == 2);
    CHECK(chaos.snapshot().faults == 2);
    CHECK(chaos.next().instead != ChaosAction::Instead::fault);
}
