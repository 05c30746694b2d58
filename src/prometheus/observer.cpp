// SPDX-License-Identifier: MIT
#include <resilience/prometheus/observer.hpp>

#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_events.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/worker_pool_options.hpp>

#include "prometheus/signal.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace resilience::prometheus {
namespace {

using detail::index_of;
using detail::Signal;

/// The signal that stands for `value`, when `first` stands for the enumerator `zero`.
template <class Enum>
std::size_t after(Signal first, Enum zero, Enum value) noexcept {
    return index_of(first) + static_cast<std::size_t>(value) -
           static_cast<std::size_t>(zero);
}

}  // namespace

void Observer::on(const CircuitTransition& event) const noexcept {
    counters_->add(after(Signal::circuit_to_closed, CircuitState::closed, event.to));
}

void Observer::on(const CircuitRefused&) const noexcept {
    counters_->add(index_of(Signal::circuit_refused));
}

void Observer::on(const CircuitProbe&) const noexcept {
    counters_->add(index_of(Signal::circuit_probe));
}

void Observer::on(const CircuitOutcome& event) const noexcept {
    const bool failed = is_failure(event.verdict);
    counters_->add(index_of(failed ? Signal::circuit_failure : Signal::circuit_success));
    if (event.slow || event.verdict == Verdict::slow) {
        counters_->add(index_of(Signal::circuit_slow));
    }
}

void Observer::on(const CircuitAbandoned&) const noexcept {
    counters_->add(index_of(Signal::circuit_abandoned));
}

void Observer::on(const CircuitStale&) const noexcept {
    counters_->add(index_of(Signal::circuit_stale));
}

void Observer::on(const CircuitLeaseExpired& event) const noexcept {
    counters_->add(index_of(Signal::circuit_lease_expired), event.probes);
}

void Observer::on(const CircuitTripThrew&) const noexcept {
    counters_->add(index_of(Signal::circuit_trip_threw));
}

void Observer::on(const Retried& event) const noexcept {
    switch (event.cause) {
        case Verdict::throttled:
            return counters_->add(index_of(Signal::retry_after_throttled));
        case Verdict::ignored:
            return counters_->add(index_of(Signal::retry_after_ignored));
        default:
            return counters_->add(index_of(Signal::retry_after_transient));
    }
}

void Observer::on(const RetryStopped& event) const noexcept {
    if (event.reason == RetryStop::none) return;
    counters_->add(after(Signal::retry_stop_succeeded, RetryStop::succeeded, event.reason)
    );
}

void Observer::on(const BulkheadRefused&) const noexcept {
    counters_->add(index_of(Signal::bulkhead_refused));
}

void Observer::on(const BulkheadQueued&) const noexcept {
    counters_->add(index_of(Signal::bulkhead_queued));
}

void Observer::on(const BulkheadWaited& event) const noexcept {
    const auto end = [&] {
        if (!event.error) return Signal::bulkhead_wait_granted;
        if (event.error == Errc::shed) return Signal::bulkhead_wait_shed;
        if (event.error == Errc::cancelled) return Signal::bulkhead_wait_cancelled;
        return Signal::bulkhead_wait_expired;
    };
    counters_->add(index_of(end()));
    const std::int64_t waited = std::max<std::int64_t>(event.waited.count(), 0);
    counters_->add(index_of(Signal::bulkhead_wait_nanoseconds), waited);
}

void Observer::on(const BulkheadAbandoned&) const noexcept {
    counters_->add(index_of(Signal::bulkhead_abandoned));
}

void Observer::on(const ThrottleRefused&) const noexcept {
    counters_->add(index_of(Signal::throttle_refused));
}

void Observer::on(const CallTimedOut&) const noexcept {
    counters_->add(index_of(Signal::timeout_timed_out));
}

void Observer::on(const CallDetached&) const noexcept {
    counters_->add(index_of(Signal::timeout_detached));
}

void Observer::on(const LimitRefused&) const noexcept {
    counters_->add(index_of(Signal::limit_refused));
}

void Observer::on(const LimitChanged& event) const noexcept {
    if (event.to == event.from) return;
    const bool rose = event.to > event.from;
    counters_->add(index_of(rose ? Signal::limit_rose : Signal::limit_sank));
}

void Observer::on(const LimitAbandoned&) const noexcept {
    counters_->add(index_of(Signal::limit_abandoned));
}

void Observer::on(const HedgeStarted&) const noexcept {
    counters_->add(index_of(Signal::hedge_started));
}

void Observer::on(const HedgeSuppressed&) const noexcept {
    counters_->add(index_of(Signal::hedge_suppressed));
}

void Observer::on(const HedgeWon&) const noexcept {
    counters_->add(index_of(Signal::hedge_won));
}

void Observer::on(const FallbackUsed&) const noexcept {
    counters_->add(index_of(Signal::fallback_used));
}

void Observer::on(const ChaosInjected& event) const noexcept {
    const ChaosAction& action = event.action;
    if (action.latency.count() > 0) counters_->add(index_of(Signal::chaos_delay));
    if (action.instead == ChaosAction::Instead::fault) {
        counters_->add(index_of(Signal::chaos_fault));
    }
    if (action.instead == ChaosAction::Instead::outcome) {
        counters_->add(index_of(Signal::chaos_outcome));
    }
}

void Observer::on(const TaskThrew&) const noexcept {
    counters_->add(index_of(Signal::task_threw));
}

void Observer::on(const TaskGivenUp& event) const noexcept {
    const bool shed = event.why == Errc::shed;
    counters_->add(index_of(shed ? Signal::task_shed : Signal::task_expired));
}

void Observer::on(const TaskRefused& event) const noexcept {
    const auto reason = [&] {
        switch (event.why) {
            case Errc::queue_full:
                return Signal::task_rejected_full;
            case Errc::closed:
                return Signal::task_rejected_closed;
            case Errc::timed_out:
                return Signal::task_rejected_late;
            case Errc::cancelled:
                return Signal::task_rejected_cancelled;
            default:
                return Signal::task_rejected_invalid;
        }
    };
    counters_->add(index_of(reason()));
}

void Observer::on(const PoolDrained&) const noexcept {
    counters_->add(index_of(Signal::pool_drained));
}

}  // namespace resilience::prometheus
