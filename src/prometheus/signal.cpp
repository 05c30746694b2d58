// SPDX-License-Identifier: MIT
#include "prometheus/signal.hpp"

#include <iterator>

namespace resilience::prometheus::detail {
namespace {

constexpr SignalFamily circuit_transitions{
    "circuit_breaker",
    "transitions_total",
    "Times that a circuit entered the state.",
    "to"};
constexpr SignalFamily circuit_success{
    "circuit_breaker", "successes_total", "Calls that the peer answered."};
constexpr SignalFamily circuit_failure{
    "circuit_breaker", "failures_total", "Calls that failed."};
constexpr SignalFamily circuit_slow{
    "circuit_breaker", "slow_total", "Calls that were slow, whatever their end."};
constexpr SignalFamily circuit_refused{
    "circuit_breaker", "refused_total", "Calls that were refused."};
constexpr SignalFamily circuit_probe{
    "circuit_breaker",
    "probes_total",
    "Calls let through to find out whether the peer is back."};
constexpr SignalFamily circuit_abandoned{
    "circuit_breaker", "abandoned_total", "Permits given up without an outcome."};
constexpr SignalFamily circuit_stale{
    "circuit_breaker", "stale_total", "Calls that ended too late to be counted."};
constexpr SignalFamily circuit_lease_expired{
    "circuit_breaker", "leases_expired_total", "Probes that did not report in time."};
constexpr SignalFamily circuit_trip_threw{
    "circuit_breaker", "trip_errors_total", "Times that the user's rule threw."};

constexpr SignalFamily retries{
    "retry",
    "retries_total",
    "Attempts that were made again, by the last one's end.",
    "cause"};
constexpr SignalFamily retry_stops{
    "retry",
    "stops_total",
    "Calls that did not succeed at once and have ended, by the reason.",
    "reason"};

constexpr SignalFamily bulkhead_refused{
    "bulkhead", "refused_total", "Calls that were refused at once."};
constexpr SignalFamily bulkhead_queued{
    "bulkhead", "queued_total", "Calls that waited for a slot."};
constexpr SignalFamily bulkhead_waits{
    "bulkhead", "waits_total", "Waits for a slot that are over, by their end.", "end"};
constexpr SignalFamily bulkhead_wait_nanoseconds{
    "bulkhead", "wait_seconds_total", "Time that calls waited for slots.", nullptr, 1e-9};
constexpr SignalFamily bulkhead_abandoned{
    "bulkhead",
    "abandoned_total",
    "Slots whose holders did not say how their call ended."};

constexpr SignalFamily throttle_refused{
    "throttle", "refused_total", "Calls that were refused."};

constexpr SignalFamily timeout_timed_out{
    "timeout", "timed_out_total", "Calls that were cancelled at their limit."};
constexpr SignalFamily timeout_detached{
    "timeout", "detached_total", "Calls past their limit that were left running."};

constexpr SignalFamily limit_refused{
    "adaptive_limit", "refused_total", "Calls that were refused."};
constexpr SignalFamily limit_changes{
    "adaptive_limit", "changes_total", "Times that the limit changed.", "direction"};
constexpr SignalFamily limit_abandoned{
    "adaptive_limit", "abandoned_total", "Permits given up without an outcome."};

constexpr SignalFamily hedge_started{
    "hedge", "hedges_total", "Attempts made beside others."};
constexpr SignalFamily hedge_suppressed{
    "hedge", "suppressed_total", "Attempts that the budget did not allow."};
constexpr SignalFamily hedge_won{
    "hedge", "wins_total", "Calls whose end is that of an attempt made beside others."};

constexpr SignalFamily fallback_used{
    "fallback", "used_total", "Times that the fallback was used."};

constexpr SignalFamily chaos_fault{
    "chaos", "faults_total", "Calls that failed instead of being made."};
constexpr SignalFamily chaos_outcome{
    "chaos",
    "outcomes_total",
    "Calls that ended with the outcome instead of being made."};
constexpr SignalFamily chaos_delay{
    "chaos", "delayed_total", "Calls that were made to wait."};

constexpr SignalFamily task_threw{"worker_pool", "threw_total", "Tasks that threw."};
constexpr SignalFamily tasks_given_up{
    "worker_pool",
    "given_up_total",
    "Tasks that were taken and not run, by the reason.",
    "reason"};
constexpr SignalFamily task_rejections{
    "worker_pool",
    "rejections_total",
    "Tasks that were not taken, by the reason.",
    "reason"};
constexpr SignalFamily pool_drained{
    "worker_pool", "drains_total", "Drains that have ended."};

constexpr SignalInfo table[] = {
    {Signal::circuit_to_closed, circuit_transitions, "closed"},
    {Signal::circuit_to_open, circuit_transitions, "open"},
    {Signal::circuit_to_half_open, circuit_transitions, "half_open"},
    {Signal::circuit_to_forced_open, circuit_transitions, "forced_open"},
    {Signal::circuit_to_forced_closed, circuit_transitions, "forced_closed"},
    {Signal::circuit_to_metrics_only, circuit_transitions, "metrics_only"},
    {Signal::circuit_success, circuit_success},
    {Signal::circuit_failure, circuit_failure},
    {Signal::circuit_slow, circuit_slow},
    {Signal::circuit_refused, circuit_refused},
    {Signal::circuit_probe, circuit_probe},
    {Signal::circuit_abandoned, circuit_abandoned},
    {Signal::circuit_stale, circuit_stale},
    {Signal::circuit_lease_expired, circuit_lease_expired},
    {Signal::circuit_trip_threw, circuit_trip_threw},

    {Signal::retry_after_transient, retries, "transient"},
    {Signal::retry_after_throttled, retries, "throttled"},
    {Signal::retry_after_ignored, retries, "ignored"},
    {Signal::retry_stop_succeeded, retry_stops, "succeeded"},
    {Signal::retry_stop_permanent, retry_stops, "permanent"},
    {Signal::retry_stop_ignored, retry_stops, "ignored"},
    {Signal::retry_stop_abandoned, retry_stops, "abandoned"},
    {Signal::retry_stop_in_doubt, retry_stops, "in_doubt_not_idempotent"},
    {Signal::retry_stop_attempts, retry_stops, "attempts"},
    {Signal::retry_stop_deadline, retry_stops, "deadline"},
    {Signal::retry_stop_budget, retry_stops, "budget"},

    {Signal::bulkhead_refused, bulkhead_refused},
    {Signal::bulkhead_queued, bulkhead_queued},
    {Signal::bulkhead_wait_granted, bulkhead_waits, "granted"},
    {Signal::bulkhead_wait_expired, bulkhead_waits, "expired"},
    {Signal::bulkhead_wait_shed, bulkhead_waits, "shed"},
    {Signal::bulkhead_wait_cancelled, bulkhead_waits, "cancelled"},
    {Signal::bulkhead_wait_nanoseconds, bulkhead_wait_nanoseconds},
    {Signal::bulkhead_abandoned, bulkhead_abandoned},

    {Signal::throttle_refused, throttle_refused},

    {Signal::timeout_timed_out, timeout_timed_out},
    {Signal::timeout_detached, timeout_detached},

    {Signal::limit_refused, limit_refused},
    {Signal::limit_rose, limit_changes, "up"},
    {Signal::limit_sank, limit_changes, "down"},
    {Signal::limit_abandoned, limit_abandoned},

    {Signal::hedge_started, hedge_started},
    {Signal::hedge_suppressed, hedge_suppressed},
    {Signal::hedge_won, hedge_won},

    {Signal::fallback_used, fallback_used},

    {Signal::chaos_fault, chaos_fault},
    {Signal::chaos_outcome, chaos_outcome},
    {Signal::chaos_delay, chaos_delay},

    {Signal::task_threw, task_threw},
    {Signal::task_expired, tasks_given_up, "timed_out"},
    {Signal::task_shed, tasks_given_up, "shed"},
    {Signal::task_rejected_full, task_rejections, "queue_full"},
    {Signal::task_rejected_closed, task_rejections, "closed"},
    {Signal::task_rejected_late, task_rejections, "timed_out"},
    {Signal::task_rejected_cancelled, task_rejections, "cancelled"},
    {Signal::task_rejected_invalid, task_rejections, "invalid_request"},
    {Signal::pool_drained, pool_drained},
};

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < std::size(table); ++i) {
        if (index_of(table[i].signal) != i) return false;
    }
    return true;
}
static_assert(std::size(table) == index_of(Signal::count) && is_in_order());

}  // namespace

std::span<const SignalInfo> signals() noexcept { return table; }

}  // namespace resilience::prometheus::detail
