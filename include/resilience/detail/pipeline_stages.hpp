// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_PIPELINE_STAGES_HPP
#define RESILIENCE_DETAIL_PIPELINE_STAGES_HPP

#include <resilience/admission.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/deadline.hpp>
#include <resilience/error.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/timeout.hpp>

#include <resilience/detail/pipeline_call.hpp>

#include <algorithm>
#include <concepts>
#include <stdexcept>
#include <type_traits>
#include <utility>

// How each kind of stage runs what stands inside it, on a thread: `next()` runs the
// stages inside, and leaves in `ended` how they ended, and what that says.
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

/// Refuses a stage with options that no pipeline can follow.
template <class Stage>
void check_stage(const Stage&) {}

/// @throws std::invalid_argument
template <class Observer>
void check_stage(const Timeout<Observer>& timeout) {
    if (timeout.options().detach_after.count() > 0) {
        throw std::invalid_argument{
            "TimeoutOptions::detach_after must be 0 in a pipeline: a detached call would "
            "outlive what it refers to"};
    }
}

template <LimiterStage L, class Call, class Next>
void run_stage(L& limiter, Call& call, EndOf<Call>& ended, const Next& next) {
    const Admission admission = limiter.try_acquire(1u, call.context.now);
    if (!admission) {
        return ended.refuse(Errc::rate_limited, admission.retry_after);
    }
    next();
}

/// Tells a guard how a call ended, and what of its time was spent on waits inside.
template <class Permit>
void end_call(
    Permit permit, Verdict verdict, TimePoint now, std::chrono::nanoseconds waited
) {
    if constexpr (requires { permit.waited(waited); }) permit.waited(waited);
    std::move(permit).done(verdict, now);
}

template <Guard G, class Call, class Next>
void run_stage(G& guard, Call& call, EndOf<Call>& ended, const Next& next) {
    auto permit = guard.try_acquire(call.context.now);
    if (!permit) return ended.refuse(G::refusal, permit.retry_after());
    const auto before = call.waited;
    next();
    end_call(
        std::move(permit), ended.end.verdict, call.context.now, call.waited - before
    );
}

template <class Slot, class Call, class Next>
void run_with_slot(Slot slot, Call& call, EndOf<Call>& ended, const Next& next) {
    if (!slot) return ended.refuse({slot.error(), {}, slot.retry_after()});
    next();
    std::move(slot).done(ended.end.verdict, call.context.now);
}

template <class Environment>
concept Virtual = requires {
    requires Environment::is_virtual;
};

/// Waits for a slot. A thread cannot be blocked until an instant of virtual time: there
/// the wait is a sleep of the environment, after which the slot is there or is not.
template <class Bulkhead, class Result, class Environment, class Classifier>
auto wait_for_slot(Bulkhead& bulkhead, Call<Result, Environment, Classifier>& call) {
    const CallContext& context = call.context;
    if constexpr (Virtual<Environment>) {
        const Environment& world = call.environment;
        ThreadWaiter waiter;
        bool stopped = false;
        if (may_end(bulkhead.enlist(waiter, context.deadline, world.now()))) {
            const TimePoint end = waiter.span().deadline;
            static_assert(noexcept(world.sleep_until(end, context.stop)));
            stopped = !world.sleep_until(end, context.stop);
        }
        const WaitEnd wanted = stopped ? WaitEnd::cancelled : WaitEnd::expired;
        return bulkhead.settle(waiter, wanted, world.now());
    } else {
        return bulkhead.acquire(context.deadline, context.stop);
    }
}

template <class Observer, class Time, class Call, class Next>
void run_stage(
    Bulkhead<Observer, Time>& bulkhead, Call& call, EndOf<Call>& ended, const Next& next
) {
    auto at_once = bulkhead.try_acquire_or_wait();
    if (at_once) return run_with_slot(*std::move(at_once), call, ended, next);
    auto slot = wait_for_slot(bulkhead, call);
    call.end_wait();
    run_with_slot(std::move(slot), call, ended, next);
}

// Nothing interrupts a thread: the operation finds its deadline in the context, and what
// it returns stands.
template <class Observer, class Call, class Next>
void run_stage(
    Timeout<Observer>& timeout, Call& call, EndOf<Call>& ended, const Next& next
) {
    const TimePoint deadline = timeout.deadline(call.context.now, call.context.deadline);
    const NarrowedDeadline narrowed{call, deadline};
    next();
    const bool stopped = call.context.stop.stop_requested();
    if (call.context.now < deadline || stopped) return;
    if (const auto verdict = timeout.judge_late(ended.end)) ended.replace(fail(*verdict));
}

template <class Stage, class Call, class Next>
requires std::same_as<std::remove_const_t<Stage>, NoDeadline>
void run_stage(Stage&, Call&, EndOf<Call>&, const Next& next) { next(); }

template <class Call, class Next>
void run_stage(Deadline& deadline, Call& call, EndOf<Call>& ended, const Next& next) {
    run_stage(deadline.timeout(), call, ended, next);
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
void run_stage(Retry<Observer>& retry, Call& call, EndOf<Call>& ended, const Next& next) {
    if (retry.budget()) retry.budget()->deposit(call.context.now);
    RetryState state{retry.policy()};
    BudgetLease lease;
    for (;;) {
        call.context.attempt = state.attempts() + 1;
        lease.sent();
        next();
        RetryDecision again = after_attempt(retry, state, lease, call, ended.end);
        if (!again) return;
        lease = std::move(again.lease);
        const TimePoint start = saturated_add(call.context.now, again.delay);
        if (!call.environment.sleep_until(start, call.context.stop)) {
            ended.end.verdict = Verdict::abandoned;
            return;
        }
        call.context.now = call.environment.now();
        ended.clear();
    }
}

template <class Observer, class Call, class Next>
void run_stage(Hedge<Observer>&, Call&, EndOf<Call>&, const Next&) {
    static_assert(
        sizeof(Call) == 0,
        "a hedge makes attempts side by side: run the pipeline by co_run or async_run of "
        "<resilience/asio/pipeline.hpp>"
    );
}

// Whoever asked to stop wants no other answer either.
template <class A, class S, class O, class Call, class Next>
void run_stage(
    Fallback<A, S, O>& fallback, Call& call, EndOf<Call>& ended, const Next& next
) {
    next();
    if (call.context.stop.stop_requested()) return;
    const auto cause = fallback.wanted(ended.end, [&ended] {
        return ended.thrown ? failure_in(ended.thrown) : failure_in(*ended.result);
    });
    if (!cause) return;
    auto alternative = [&](CallContext&) -> decltype(auto) {
        return fallback.begin(*cause);
    };
    ended.clear();
    attempt(call, ended, alternative);
    if (ended.end.verdict != Verdict::success) fallback.count_failed();
}

/// Puts a fault or outcome in the place of an attempt.
template <class Outcome, class Observer, class Call>
void inject(
    Chaos<Outcome, Observer>& chaos,
    ChaosAction::Instead instead,
    Call& call,
    EndOf<Call>& ended
) {
    if (instead == ChaosAction::Instead::fault) return ended.refuse(chaos.fault());
    auto outcome = [&](CallContext&) {
        return chaos.template make<typename Call::Result>(instead);
    };
    attempt(call, ended, outcome);
}

template <class Outcome, class Observer, class Call, class Next>
void run_stage(
    Chaos<Outcome, Observer>& chaos, Call& call, EndOf<Call>& ended, const Next& next
) {
    const ChaosAction action = chaos.next();
    if (action.latency.count() > 0) {
        const TimePoint end = saturated_add(call.context.now, action.latency);
        if (!call.environment.sleep_until(end, call.context.stop)) {
            return ended.refuse(fail(Errc::cancelled));
        }
        call.context.now = call.environment.now();
    }
    if (action.instead == ChaosAction::Instead::nothing) return next();
    inject(chaos, action.instead, call, ended);
}

// Chosen when nothing else fits.
template <class Stage, class Call, class Next>
void run_stage(Stage&, Call&, EndOf<Call>&, const Next&) {
    static_assert(
        Guard<Stage>,
        "a stage of a pipeline must be a Guard, a rate limiter or a policy of this "
        "library"
    );
}

}  // namespace resilience::detail

#endif
