// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CIRCUIT_EVENTS_HPP
#define RESILIENCE_CIRCUIT_EVENTS_HPP

#include <resilience/call_window.hpp>
#include <resilience/circuit_state.hpp>
#include <resilience/classify.hpp>

#include <chrono>
#include <cstdint>

namespace resilience {

/// A circuit went from one state to another, or began a new round in the same state.
/// There is exactly one for each generation, so events that several threads tell can be
/// put in order.
struct CircuitTransition {
    CircuitState from;
    CircuitState to;

    /// The generation that begins; the first breaker word has 0, and 0 follows 524,287.
    std::uint32_t generation;

    /// What opened the circuit, if calls did; else zeros.
    CallCounts counts{};
};

/// A call was refused.
struct CircuitRefused {
    CircuitState state;
    std::chrono::nanoseconds retry_after;
};

/// A call was let through to find out whether the peer is back.
struct CircuitProbe {
    std::uint32_t generation;
};

/// A call that was let through reported its end in time to be counted.
struct CircuitOutcome {
    CircuitState state;
    Verdict verdict;

    /// Whether it was slow as well, if it failed.
    bool slow;
};

/// A permit was given up without an outcome.
struct CircuitAbandoned {
    CircuitState state;
    std::uint32_t generation;
};

/// A call of an earlier generation ended; it was not counted.
struct CircuitStale {
    std::uint32_t generation;
    Verdict verdict;
};

/// Probes did not report before their lease ran out; others take their place.
struct CircuitLeaseExpired {
    std::uint32_t generation;
    std::uint32_t probes;
};

/// `CircuitBreakerOptions::trip_if` threw; the circuit stays closed.
struct CircuitTripThrew {
    CallCounts counts;
};

/// How a breaker stands at one instant.
struct CircuitSnapshot {
    static constexpr const char* kind = "circuit_breaker";

    CircuitState state = CircuitState::closed;
    std::uint32_t generation = 0;

    /// What is remembered of calls, when closed or in metrics_only; else zeros.
    CallCounts counts{};

    /// Probes that have not reported, have succeeded, have failed; when half-open.
    std::uint32_t probes_in_flight = 0;
    std::uint32_t probes_ok = 0;
    std::uint32_t probes_bad = 0;

    /// Time until an open circuit may be probed; else zero.
    std::chrono::nanoseconds open_for{0};

    /// Times that the options were replaced by others than were in force before. 1,000
    /// is the most.
    std::uint32_t reconfigured = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const CircuitSnapshot& s, Visit&& visit) {
    visit("state", static_cast<int>(s.state));
    visit("generation", s.generation);
    visit("recent_calls", s.counts.calls);
    visit("recent_failures", s.counts.failures);
    visit("recent_slow", s.counts.slow);
    visit("consecutive_failures", s.counts.consecutive_failures);
    visit("probes_in_flight", s.probes_in_flight);
    visit("probes_ok", s.probes_ok);
    visit("probes_bad", s.probes_bad);
    visit("reconfigured_total", s.reconfigured);
    visit("open_for_seconds", std::chrono::duration<double>(s.open_for).count());
}

}  // namespace resilience

#endif
