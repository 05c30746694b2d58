// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_CIRCUIT_CALLS_HPP
#define TESTS_UNIT_CORE_CIRCUIT_CALLS_HPP

#include <resilience/circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <utility>
#include <vector>

namespace resilience::testing {

inline constexpr TimePoint t0 = TimePoint{} + std::chrono::hours{1};

/// Opens after 2 failures of 2 calls, for 1 s; one good probe of one closes.
inline CircuitBreakerOptions quick() {
    return {
        .window = CountWindowOptions{.calls = 4},
        .failure_ratio = 0.5,
        .min_calls = 2,
        .open_for = std::chrono::seconds{1},
        .probes = 1,
        .close_after = 1,
        .probe_lease = std::chrono::milliseconds{640}};
}

/// Makes one call that takes no time; returns whether it was let through.
template <class Breaker>
bool call(Breaker& breaker, Verdict verdict, TimePoint now = t0) {
    auto permit = breaker.try_acquire(now);
    if (!permit) return false;
    std::move(permit).done(verdict, now);
    return true;
}

/// Lets calls fail until the circuit is open.
template <class Breaker>
void open(Breaker& breaker, TimePoint now = t0) {
    for (int i = 0; i < 100 && breaker.state(now) == CircuitState::closed; ++i) {
        call(breaker, Verdict::transient, now);
    }
    REQUIRE(breaker.state(now) == CircuitState::open);
}

/// All that a breaker has told.
struct CircuitLog {
    std::vector<CircuitTransition> transitions;
    std::vector<CircuitRefused> refused;
    std::vector<CircuitProbe> probes;
    std::vector<CircuitOutcome> outcomes;
    std::vector<CircuitAbandoned> abandoned;
    std::vector<CircuitStale> stale;
    std::vector<CircuitLeaseExpired> expired;
    std::vector<CircuitTripThrew> threw;
};

/// Writes all that it is told into a log. For one thread.
struct CircuitRecorder {
    CircuitLog* log;
    void on(const CircuitTransition& e) noexcept { log->transitions.push_back(e); }
    void on(const CircuitRefused& e) noexcept { log->refused.push_back(e); }
    void on(const CircuitProbe& e) noexcept { log->probes.push_back(e); }
    void on(const CircuitOutcome& e) noexcept { log->outcomes.push_back(e); }
    void on(const CircuitAbandoned& e) noexcept { log->abandoned.push_back(e); }
    void on(const CircuitStale& e) noexcept { log->stale.push_back(e); }
    void on(const CircuitLeaseExpired& e) noexcept { log->expired.push_back(e); }
    void on(const CircuitTripThrew& e) noexcept { log->threw.push_back(e); }
};

}  // namespace resilience::testing

#endif
