// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_PIPELINE_STAGES_HPP
#define RESILIENCE_DETAIL_PIPELINE_STAGES_HPP

#include <resilience/admission.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/deadline.hpp>
#include <resilience/error.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/timeout.hpp>

#include <resilience/detail/pipeline_call.hpp>

#include <algorithm>
#include <utility>

// How each kind of stage runs what stands inside it, on a thread: `next()` runs the
// stages inside and returns how they ended, and what that says.
namespace resilience::detail {

template <class Call>
using EndOf = Ended<typename Call::Result>;

/// Restores the deadline of the stages outside when the ones inside are done.
template <class Call>
class NarrowedDeadline {
public:
    NarrowedDeadline(Call& call, TimePoint deadline)
        : call_(call), outer_(call.context.deadline) {
        call.context.deadline = std::min(outer_, deadline);
    }
    NarrowedDeadline(const NarrowedDeadline&) = delete;
    NarrowedDeadline& operator=(const NarrowedDeadline&) = delete;
    ~NarrowedDeadline() { call_.context.deadline = outer_; }

private:
    Call& call_;
    TimePoint outer_;
};

template <LimiterStage L, class Call, class Next>
EndOf<Call> run_stage(L& limiter, Call& call, Next& next) {
    const Admission admission = limiter.try_acquire(1u, call.context.now);
    if (!admission) return call.refuse(Errc::rate_limited, admission.retry_after);
    return next();
}

template <Guard G, class Call, class Next>
EndOf<Call> run_stage(G& guard, Call& call, Next& next) {
    auto permit = guard.try_acquire(call.context.now);
    if (!permit) return call.refuse(G::refusal, permit.retry_after());
    EndOf<Call> ended = next();
    std::move(permit).done(ended.end.verdict, call.context.now);
    return ended;
}

template <class Slot, class Call, class Next>
EndOf<Call> run_with_slot(Slot slot, Call& call, Next& next) {
    if (!slot) return EndOf<Call>{Failure{slot.error(), {}, slot.retry_after()}};
    EndOf<Call> ended = next();
    std::move(slot).done(ended.end.verdict, call.context.now);
    return ended;
}

template <class Observer, class Time, class Call, class Next>
EndOf<Call> run_stage(Bulkhead<Observer, Time>& bulkhead, Call& call, Next& next) {
    auto at_once = bulkhead.try_acquire_or_wait();
    if (at_once) return run_with_slot(*std::move(at_once), call, next);
    auto slot = bulkhead.acquire(call.context.deadline, call.context.stop);
    call.context.now = call.environment.now();
    return run_with_slot(std::move(slot), call, next);
}

// Nothing interrupts a thread: the operation finds its deadline in the context, and what
// it returns stands.
template <class Observer, class Call, class Next>
EndOf<Call> run_stage(Timeout<Observer>& timeout, Call& call, Next& next) {
    const TimePoint deadline = timeout.deadline(call.context.now, call.context.deadline);
    const NarrowedDeadline narrowed{call, deadline};
    EndOf<Call> ended = next();
    const bool stopped = call.context.stop.stop_requested();
    if (call.context.now < deadline || stopped) return ended;
    if (const auto verdict = timeout.judge_late(ended.end)) return call.refuse(*verdict);
    return ended;
}

template <class Call, class Next>
EndOf<Call> run_stage(const NoDeadline&, Call&, Next& next) {
    return next();
}

template <class Call, class Next>
EndOf<Call> run_stage(Deadline& deadline, Call& call, Next& next) {
    return run_stage(deadline.timeout(), call, next);
}

/// What a retry decides after an attempt; both drivers of pipelines wait as it says.
template <class Observer, class Call>
RetryDecision after_attempt(
    Retry<Observer>& retry,
    RetryState& state,
    BudgetLease& lease,
    Call& call,
    const Classification& end
) {
    std::move(lease).done(end.verdict);
    const bool failed = end.verdict != Verdict::success;
    return state.next(
        end,
        call.context.now,
        call.context.deadline,
        failed ? call.environment.random() : 0,
        retry.budget(),
        retry.observer()
    );
}

template <class Observer, class Call, class Next>
EndOf<Call> run_stage(Retry<Observer>& retry, Call& call, Next& next) {
    if (retry.budget()) retry.budget()->deposit(call.context.now);
    RetryState state{retry.policy()};
    BudgetLease lease;
    for (;;) {
        call.context.attempt = state.attempts() + 1;
        lease.sent();
        EndOf<Call> ended = next();
        RetryDecision again = after_attempt(retry, state, lease, call, ended.end);
        if (!again) return ended;
        lease = std::move(again.lease);
        const TimePoint start = call.context.now + again.delay;
        if (!call.environment.sleep_until(start, call.context.stop)) {
            ended.end.verdict = Verdict::abandoned;
            return ended;
        }
        call.context.now = call.environment.now();
    }
}

}  // namespace resilience::detail

#endif
