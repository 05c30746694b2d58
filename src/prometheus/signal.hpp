// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_SIGNAL_HPP
#define RESILIENCE_SRC_PROMETHEUS_SIGNAL_HPP

#include "prometheus/counter_bank.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace resilience::prometheus::detail {

/// What an observer counts. In the order of the table behind @ref signals; where several
/// stand for the enumerators of a type of the library, in the order of those.
enum class Signal : std::uint8_t {
    circuit_to_closed,
    circuit_to_open,
    circuit_to_half_open,
    circuit_to_forced_open,
    circuit_to_forced_closed,
    circuit_to_metrics_only,
    circuit_success,
    circuit_failure,
    circuit_slow,
    circuit_refused,
    circuit_probe,
    circuit_abandoned,
    circuit_stale,
    circuit_lease_expired,
    circuit_trip_threw,

    retry_after_transient,
    retry_after_throttled,
    retry_after_ignored,
    retry_stop_succeeded,
    retry_stop_permanent,
    retry_stop_ignored,
    retry_stop_abandoned,
    retry_stop_in_doubt,
    retry_stop_attempts,
    retry_stop_deadline,
    retry_stop_budget,

    bulkhead_refused,
    bulkhead_queued,
    bulkhead_wait_granted,
    bulkhead_wait_expired,
    bulkhead_wait_shed,
    bulkhead_wait_cancelled,
    bulkhead_wait_nanoseconds,
    bulkhead_abandoned,

    throttle_refused,

    timeout_timed_out,
    timeout_detached,

    limit_refused,
    limit_rose,
    limit_sank,
    limit_abandoned,

    hedge_started,
    hedge_suppressed,
    hedge_won,

    fallback_used,

    chaos_fault,
    chaos_outcome,
    chaos_delay,

    task_threw,
    task_expired,
    task_shed,
    task_rejected_full,
    task_rejected_closed,
    task_rejected_late,
    task_rejected_cancelled,
    task_rejected_invalid,
    pool_drained,

    count
};

/// A counter `<kind>_<name>`, perhaps with a label.
struct SignalFamily {
    const char* kind;
    const char* name;
    const char* help;
    const char* label = nullptr;
    double unit = 1;
};

/// How a signal is exposed.
struct SignalInfo {
    Signal signal;
    const SignalFamily& family;
    const char* value = nullptr;  // of the family's label
};

/// All of them; those of one kind stand together.
std::span<const SignalInfo> signals() noexcept;

constexpr std::size_t index_of(Signal signal) noexcept {
    return static_cast<std::size_t>(signal);
}

static_assert(index_of(Signal::count) <= CounterBank::kWidth);

}  // namespace resilience::prometheus::detail

#endif
