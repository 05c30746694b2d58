// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RETRY_STATE_HPP
#define RESILIENCE_RETRY_STATE_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/observer.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/retry_policy.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace resilience {

/// Why a call is not tried again.
enum class RetryStop : std::uint8_t {
    /// It is tried again.
    none,
    /// The last attempt succeeded.
    succeeded,
    /// The last attempt failed in a way that repeating does not cure.
    permanent,
    /// A local limit refused the attempt, and did not say when it would not.
    ignored,
    /// The caller gave the call up.
    abandoned,
    /// The effect may have happened, and the options do not say that twice does no harm.
    in_doubt_not_idempotent,
    /// No attempt is left.
    attempts,
    /// The next attempt could not begin before the deadline.
    deadline,
    /// The budget of retries is spent.
    budget
};

/// What to do after an attempt: wait and try again, or stop.
struct [[nodiscard]] RetryDecision {
    /// Why to stop, or @ref RetryStop::none.
    RetryStop stop = RetryStop::none;

    /// How long to wait before the next attempt.
    std::chrono::nanoseconds delay{0};

    /// What the next attempt has been charged. Keep it through the wait: if it is dropped
    /// there, the cost comes back. See @ref BudgetLease.
    BudgetLease lease{};

    /// Whether to try again.
    [[nodiscard]] explicit operator bool() const noexcept {
        return stop == RetryStop::none;
    }
};

/// An event: a call is tried again.
struct Retried {
    /// Attempts that have ended.
    std::uint32_t attempts = 0;
    /// How the last of them ended.
    Verdict cause = Verdict::transient;
    /// How long the next one waits.
    std::chrono::nanoseconds delay{0};
};

/// An event: a call that did not succeed at its first attempt has come to its end.
struct RetryStopped {
    /// Attempts that have ended.
    std::uint32_t attempts = 0;
    /// Why there are no more.
    RetryStop reason = RetryStop::none;
};

/** Follows one call through its attempts. Lives on the caller's stack.

    After each attempt @ref next decides; the caller waits as long as it says.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.

    @par Object lifetimes
    The policy must outlive the state.

    @par Example
    @code
    RetryState state{policy};
    BudgetLease lease;
    budget.deposit();
    for (;;) {
        lease.sent();
        auto result = call();
        const Classification end = classify(result);
        std::move(lease).done(end.verdict);
        RetryDecision again =
            state.next(end, Clock::now(), deadline, thread_random()(), &budget);
        if (!again) return result;
        lease = std::move(again.lease);
        std::this_thread::sleep_for(again.delay);
    }
    @endcode
*/
class RetryState {
public:
    /// The deadline of a call that has none.
    static constexpr TimePoint no_deadline = TimePoint::max();

    explicit constexpr RetryState(const RetryPolicy& policy) noexcept
        : policy_(&policy) {}

    /** Decides after an attempt. To be called once for each.

        A wait that would reach the deadline is not begun. What a local limit refused is
        tried again only if it told when, and neither that refusal nor its repetition
        costs the budget anything unless an attempt went out before.

        @param end How the attempt ended.
        @param deadline When the call must have ended.
        @param random Uniform random bits for the jitter.
        @param budget Is asked last, when nothing else stands against another attempt;
            null if there is none.
    */
    [[gnu::always_inline]] RetryDecision next(
        const Classification& end,
        TimePoint now,
        TimePoint deadline,
        std::uint64_t random,
        RetryBudget* budget = nullptr
    ) noexcept {
        if (attempts_ != std::numeric_limits<std::uint32_t>::max()) ++attempts_;
        if (end.verdict == Verdict::success) return {RetryStop::succeeded};
        const Plan plan =
            make_plan(*policy_, end, attempts_, backoff_, now, deadline, random);
        if (plan.stop != RetryStop::none) return {plan.stop};

        if (end.verdict != Verdict::ignored) charged_ = end.verdict;
        BudgetLease lease;
        if (budget != nullptr && charged_ != Verdict::ignored) {
            lease = budget->try_withdraw(charged_, now);
            if (!lease) return {RetryStop::budget};
        }
        if (!plan.told) backoff_ = plan.delay;
        return {RetryStop::none, plan.delay, std::move(lease)};
    }

    /// The same, and tells `observer` of it with a @ref Retried or @ref RetryStopped,
    /// except of success at the first attempt.
    template <class Observer>
    RetryDecision next(
        const Classification& end,
        TimePoint now,
        TimePoint deadline,
        std::uint64_t random,
        RetryBudget* budget,
        Observer& observer
    ) noexcept {
        RetryDecision decision = next(end, now, deadline, random, budget);
        if (decision) {
            detail::notify(observer, Retried{attempts_, end.verdict, decision.delay});
        } else if (attempts_ > 1 || decision.stop != RetryStop::succeeded) {
            detail::notify(observer, RetryStopped{attempts_, decision.stop});
        }
        return decision;
    }

    /// Attempts that have ended.
    std::uint32_t attempts() const noexcept { return attempts_; }

private:
    // What is decided without the budget. Fits into two registers, and nothing that the
    // caller holds is passed by address, so success at the first attempt costs next to
    // nothing.
    struct Plan {
        std::chrono::nanoseconds delay{0};
        RetryStop stop = RetryStop::none;
        bool told = false;  // somebody else has set the delay
    };

    static Plan make_plan(
        const RetryPolicy& policy,
        Classification end,
        std::uint32_t attempts,
        std::chrono::nanoseconds backoff,
        TimePoint now,
        TimePoint deadline,
        std::uint64_t random
    ) noexcept;

    /// Why the end of an attempt forbids another; none if it does not.
    static RetryStop verdict_stop(
        const RetryOptions& options, Classification end
    ) noexcept;

    static bool fits(
        std::chrono::nanoseconds delay, TimePoint now, TimePoint deadline
    ) noexcept {
        if (deadline == no_deadline) return true;
        if (deadline <= now) return false;
        // Between instants on both sides of the epoch there may be more than a duration
        // can hold.
        const bool far =
            now < TimePoint{} && deadline > TimePoint::max() + (now - TimePoint{});
        return far || delay < deadline - now;
    }

    const RetryPolicy* policy_;
    std::chrono::nanoseconds backoff_{0};  // the last that nobody overrode
    std::uint32_t attempts_ = 0;
    Verdict charged_ = Verdict::ignored;  // how the last attempt that went out ended
};

inline RetryStop RetryState::verdict_stop(
    const RetryOptions& options, Classification end
) noexcept {
    switch (end.verdict) {
        case Verdict::success:
        case Verdict::slow:
            return RetryStop::succeeded;
        case Verdict::client_error:
        case Verdict::permanent:
            return RetryStop::permanent;
        case Verdict::abandoned:
            return RetryStop::abandoned;
        case Verdict::ignored: {
            const bool told = end.retry_after.count() > 0;
            return told && end.retry_after <= options.max_hint ? RetryStop::none
                                                               : RetryStop::ignored;
        }
        case Verdict::transient:
        case Verdict::throttled:
            break;
    }
    return end.in_doubt && !options.idempotent ? RetryStop::in_doubt_not_idempotent
                                               : RetryStop::none;
}

inline RetryState::Plan RetryState::make_plan(
    const RetryPolicy& policy,
    Classification end,
    std::uint32_t attempts,
    std::chrono::nanoseconds backoff,
    TimePoint now,
    TimePoint deadline,
    std::uint64_t random
) noexcept {
    const RetryOptions& options = policy.options();
    Plan plan{.stop = verdict_stop(options, end)};
    if (plan.stop != RetryStop::none) return plan;
    if (attempts >= options.attempts) return {.stop = RetryStop::attempts};
    plan.told = end.retry_after.count() > 0;
    plan.delay = plan.told ? std::min(end.retry_after, options.max_hint)
                           : policy.delay(attempts, end.verdict, backoff, random);
    if (!fits(plan.delay, now, deadline)) plan.stop = RetryStop::deadline;
    return plan;
}

}  // namespace resilience

#endif
