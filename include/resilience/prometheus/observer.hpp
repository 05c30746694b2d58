// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_OBSERVER_HPP
#define RESILIENCE_PROMETHEUS_OBSERVER_HPP

#include <memory>
#include <utility>

namespace resilience {

struct BulkheadAbandoned;
struct BulkheadQueued;
struct BulkheadRefused;
struct BulkheadWaited;
struct CallDetached;
struct CallTimedOut;
struct ChaosInjected;
struct CircuitAbandoned;
struct CircuitLeaseExpired;
struct CircuitOutcome;
struct CircuitProbe;
struct CircuitRefused;
struct CircuitStale;
struct CircuitTransition;
struct CircuitTripThrew;
struct FallbackUsed;
struct HedgeStarted;
struct HedgeSuppressed;
struct HedgeWon;
struct LimitAbandoned;
struct LimitChanged;
struct LimitRefused;
struct PoolDrained;
struct Retried;
struct RetryStopped;
struct TaskGivenUp;
struct TaskRefused;
struct TaskThrew;
struct ThrottleRefused;

namespace prometheus {

namespace detail {
class CounterBank;
}

/** Counts the events of policies. An observer for any policy of this library; made by
    @ref Metrics::observer.

    Several policies may share one, as copies, if their metrics shall have one name; those
    of one kind are counted together then.

    An event costs an atomic addition. Threads add to different cache lines where they
   can.

    @par Thread safety
    Safe.

    @par Object lifetimes
    An observer may outlive its @ref Metrics.
*/
class Observer {
public:
    void on(const CircuitTransition& event) const noexcept;
    void on(const CircuitRefused& event) const noexcept;
    void on(const CircuitProbe& event) const noexcept;
    void on(const CircuitOutcome& event) const noexcept;
    void on(const CircuitAbandoned& event) const noexcept;
    void on(const CircuitStale& event) const noexcept;
    void on(const CircuitLeaseExpired& event) const noexcept;
    void on(const CircuitTripThrew& event) const noexcept;

    void on(const Retried& event) const noexcept;
    void on(const RetryStopped& event) const noexcept;

    void on(const BulkheadRefused& event) const noexcept;
    void on(const BulkheadQueued& event) const noexcept;
    void on(const BulkheadWaited& event) const noexcept;
    void on(const BulkheadAbandoned& event) const noexcept;

    void on(const ThrottleRefused& event) const noexcept;

    void on(const CallTimedOut& event) const noexcept;
    void on(const CallDetached& event) const noexcept;

    void on(const LimitRefused& event) const noexcept;
    void on(const LimitChanged& event) const noexcept;
    void on(const LimitAbandoned& event) const noexcept;

    void on(const HedgeStarted& event) const noexcept;
    void on(const HedgeSuppressed& event) const noexcept;
    void on(const HedgeWon& event) const noexcept;

    void on(const FallbackUsed& event) const noexcept;

    void on(const ChaosInjected& event) const noexcept;

    void on(const TaskThrew& event) const noexcept;
    void on(const TaskGivenUp& event) const noexcept;
    void on(const TaskRefused& event) const noexcept;
    void on(const PoolDrained& event) const noexcept;

private:
    friend class Metrics;

    explicit Observer(std::shared_ptr<detail::CounterBank> counters) noexcept
        : counters_(std::move(counters)) {}

    std::shared_ptr<detail::CounterBank> counters_;
};

}  // namespace prometheus
}  // namespace resilience

#endif
