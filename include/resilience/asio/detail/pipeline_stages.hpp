// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_PIPELINE_STAGES_HPP
#define RESILIENCE_ASIO_DETAIL_PIPELINE_STAGES_HPP

#include <resilience/asio/bulkhead.hpp>
#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/hedge.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/asio/timeout.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/deadline.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/timeout.hpp>

#include <resilience/detail/pipeline_call.hpp>
#include <resilience/detail/pipeline_stages.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <concepts>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

// How each kind of stage runs what stands inside it, in a coroutine: the counterparts of
// `<resilience/detail/pipeline_stages.hpp>`. Decisions are the same; only waits differ.
namespace resilience::detail {

/// The time of a coroutine's executor, and the randomness of a pipeline's environment.
template <class Environment>
struct CoEnvironment {
    net::any_io_executor executor;
    const Environment& outer;

    TimePoint now() const { return current_time(executor); }
    std::uint64_t random() const { return outer.random(); }
};

/// Shows the exceptions of Boost as those of the standard library.
template <class Classifier>
struct CoClassifier {
    const Classifier& outer;

    template <class T>
    Classification operator()(const T& end) const {
        return outer(end);
    }
    Classification operator()(const std::exception_ptr& thrown) const {
        return outer(in_std_terms(thrown));
    }
};

template <class Call>
using CoEnd = net::awaitable<EndOf<Call>>;

/// Whether the coroutine was asked to end.
inline net::awaitable<bool> cancelled() {
    const auto state = co_await net::this_coro::cancellation_state;
    co_return state.cancelled() != net::cancellation_type::none;
}

/// Calls the operation and judges how it ended.
template <class Call, class Operation>
CoEnd<Call> co_attempt(Call& call, Operation& operation) {
    using Raw = typename std::invoke_result_t<Operation&, CallContext&>::value_type;
    EndOf<Call> ended;
    // The operation may count on what Asio does by default; the stages do not.
    co_await net::this_coro::throw_if_cancelled(true);
    try {
        if constexpr (std::is_void_v<Raw>) {
            co_await operation(call.context);
            ended.result.fill([] { return typename Call::Result{}; });
        } else {
            Raw raw = co_await operation(call.context);
            ended.result.fill([&raw]() -> Raw&& { return std::move(raw); });
        }
    } catch (...) {
        ended.thrown = std::current_exception();
    }
    co_await net::this_coro::throw_if_cancelled(false);
    const bool stopped = co_await cancelled();
    call.judge(ended, stopped);
    co_return ended;
}

template <LimiterStage L, class Call, class Next>
CoEnd<Call> co_stage(L& limiter, Call& call, Next next) {
    const Admission admission = limiter.try_acquire(1u, call.context.now);
    if (!admission) {
        co_return EndOf<Call>{fail(Errc::rate_limited, {}, admission.retry_after)};
    }
    EndOf<Call> ended = co_await next();
    co_return ended;
}

template <Guard G, class Call, class Next>
CoEnd<Call> co_stage(G& guard, Call& call, Next next) {
    auto permit = guard.try_acquire(call.context.now);
    if (!permit) co_return EndOf<Call>{fail(G::refusal, {}, permit.retry_after())};
    const auto before = call.waited;
    EndOf<Call> ended = co_await next();
    end_call(
        std::move(permit), ended.end.verdict, call.context.now, call.waited - before
    );
    co_return ended;
}

template <class Slot, class Call, class Next>
CoEnd<Call> co_with_slot(Slot slot, Call& call, Next next) {
    if (!slot) co_return EndOf<Call>{Failure{slot.error(), {}, slot.retry_after()}};
    EndOf<Call> ended = co_await next();
    std::move(slot).done(ended.end.verdict, call.context.now);
    co_return ended;
}

template <class Bulkhead, class Call, class Next>
CoEnd<Call> co_wait_for_slot(Bulkhead& bulkhead, Call& call, Next next) {
    auto slot = co_await async_acquire(bulkhead, call.context.deadline);
    call.end_wait();
    if (!slot) co_return EndOf<Call>{std::move(slot).error()};
    EndOf<Call> ended = co_await co_with_slot(*std::move(slot), call, next);
    co_return ended;
}

template <class Observer, class Time, class Call, class Next>
CoEnd<Call> co_stage(Bulkhead<Observer, Time>& bulkhead, Call& call, Next next) {
    auto at_once = bulkhead.try_acquire_or_wait();
    if (at_once) return co_with_slot(*std::move(at_once), call, std::move(next));
    return co_wait_for_slot(bulkhead, call, std::move(next));
}

template <class Stage, class Call, class Next>
requires std::same_as<std::remove_const_t<Stage>, NoDeadline> CoEnd<Call> co_stage(
    Stage&, Call&, Next next
) {
    return next();
}

/// Runs `next` as the first coroutine of those that are spawned: cancelled by all types,
/// and by a value, as around it.
template <class Call, class Next>
CoEnd<Call> co_spawned(Next next) {
    co_await net::this_coro::reset_cancellation_state(net::enable_total_cancellation());
    co_await net::this_coro::throw_if_cancelled(false);
    EndOf<Call> ended = co_await next();
    co_return ended;
}

template <class Observer, class Call, class Next>
CoEnd<Call> co_stage(Timeout<Observer>& timeout, Call& call, Next next) {
    // It may have other options by now.
    check_stage(timeout);
    const TimePoint outer = call.context.deadline;
    const TimePoint deadline = timeout.deadline(call.context.now, outer);
    call.context.deadline = deadline;
    auto work = [next] { return co_spawned<Call>(next); };
    EndOf<Call> ended = co_await co_with_timeout(timeout, std::move(work), deadline);
    call.context.deadline = outer;
    co_return ended;
}

template <class Call, class Next>
CoEnd<Call> co_stage(Deadline& deadline, Call& call, Next next) {
    return co_stage(deadline.timeout(), call, next);
}

template <class Observer, class Call, class Next>
CoEnd<Call> co_stage(Retry<Observer>& retry, Call& call, Next next) {
    if (retry.budget()) retry.budget()->deposit(call.context.now);
    RetryState state{retry.policy()};
    BudgetLease lease;
    Timer timer{call.environment.executor};
    for (;;) {
        call.context.attempt = state.attempts() + 1;
        lease.sent();
        EndOf<Call> ended = co_await next();
        RetryDecision again = after_attempt(retry, state, lease, call, ended.end);
        if (!again) co_return ended;
        lease = std::move(again.lease);
        const TimePoint start = saturated_add(call.context.now, again.delay);
        const Result<void> slept = co_await timer.async_wait_until(start);
        // A cancellation may come when the wait is over but its end not yet told.
        const bool stopped = co_await cancelled();
        if (!slept || stopped) {
            ended.end.verdict = Verdict::abandoned;
            co_return ended;
        }
        call.context.now = call.environment.now();
    }
}

/// One attempt of several that overlap, and therefore share no context.
template <class Call, class Next>
CoEnd<Call> co_hedged_attempt(const Call& call, Next next, std::uint32_t number) {
    Call own{call.environment, call.classifier, call.context};
    own.context.now = own.environment.now();
    own.context.hedge = number;
    const Next mine = next.with(own);
    EndOf<Call> ended = co_await co_spawned<Call>(mine);
    co_return ended;
}

template <class Observer, class Call, class Next>
CoEnd<Call> co_stage(Hedge<Observer>& hedge, Call& call, Next next) {
    auto work = [&call, next](std::uint32_t number) {
        return co_hedged_attempt(call, next, number);
    };
    EndOf<Call> ended = co_await co_with_hedge(hedge, std::move(work));
    call.context.now = call.environment.now();
    co_return ended;
}

/// The alternative of `fallback` as an operation: a coroutine, as it comes or around it.
template <class F>
auto co_alternative(F& fallback, const FallbackCause& cause) {
    using Begun = std::remove_cvref_t<decltype(fallback.begin(cause))>;
    if constexpr (requires { typename AwaitedBy<Begun>::type; }) {
        return fallback.begin(cause);
    } else {
        return [](F* f, const FallbackCause* why) -> net::awaitable<Begun> {
            co_return f->begin(*why);
        }(&fallback, &cause);
    }
}

template <class A, class S, class O, class Call, class Next>
CoEnd<Call> co_stage(Fallback<A, S, O>& fallback, Call& call, Next next) {
    EndOf<Call> ended = co_await next();
    const bool stopped = co_await cancelled();
    if (stopped) co_return ended;
    const auto cause = fallback.wanted(ended.end, [&ended] {
        return ended.thrown ? failure_in(in_std_terms(ended.thrown))
                            : failure_in(*ended.result);
    });
    if (!cause) co_return ended;
    auto alternative = [&](CallContext&) { return co_alternative(fallback, *cause); };
    EndOf<Call> instead = co_await co_attempt(call, alternative);
    if (instead.end.verdict != Verdict::success) fallback.count_failed();
    co_return instead;
}

template <class Outcome, class Observer, class Call, class Next>
CoEnd<Call> co_stage(Chaos<Outcome, Observer>& chaos, Call& call, Next next) {
    const ChaosAction action = chaos.next();
    if (action.latency.count() > 0) {
        Timer timer{call.environment.executor};
        const Result<void> waited = co_await timer.async_wait_until(
            saturated_add(call.context.now, action.latency)
        );
        const bool stopped = co_await cancelled();
        if (!waited || stopped) co_return EndOf<Call>{fail(Errc::cancelled)};
        call.context.now = call.environment.now();
    }
    if (action.instead == ChaosAction::Instead::nothing) {
        EndOf<Call> made = co_await next();
        co_return made;
    }
    EndOf<Call> ended;
    inject(chaos, action.instead, call, ended);
    co_return ended;
}

// Chosen when nothing else fits.
template <class Stage, class Call, class Next>
CoEnd<Call> co_stage(Stage&, Call&, Next) {
    static_assert(
        Guard<Stage>,
        "a stage of a pipeline must be a Guard, a rate limiter or a policy of this "
        "library"
    );
}

}  // namespace resilience::detail

#endif
