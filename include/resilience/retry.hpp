// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RETRY_HPP
#define RESILIENCE_RETRY_HPP

#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/retry_policy.hpp>

#include <resilience/detail/live_settings.hpp>

#include <cstdint>
#include <utility>

namespace resilience {

/// How a @ref Retry is set.
struct RetrySnapshot {
    static constexpr const char* kind = "retry";

    /// Attempts in all of a call that begins now, the first included.
    std::uint32_t attempts = 0;
    /// Times that the options were replaced by others than were in force before. 1,000
    /// is the most.
    std::uint32_t reconfigured = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const RetrySnapshot& s, Visit&& visit) {
    visit("attempts", s.attempts);
    visit("reconfigured_total", s.reconfigured);
}

/** Repeats failed attempts in a pipeline, as a @ref RetryPolicy decides.

    Needs a `Deadline` outside it, or `NoDeadline`. Waits on the thread or in the
    coroutine that runs the pipeline; a request to stop ends the wait, and the last
    failure is returned.

    To be changed in use it is made first, given to the pipeline by reference, and put
    into a @ref Registry, say.

    @tparam Observer Sees the events `Retried` and `RetryStopped`.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, if the observer is; all but
    @ref reconfigure are lock-free.

    @par Object lifetimes
    The budget outlives the retry, which outlives its calls.
*/
template <class Observer = NoObserver>
class Retry {
public:
    static constexpr PipelineStage pipeline_stage = PipelineStage::retry;

    /// @param budget Is charged for each retry and credited for each call; null for none.
    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    explicit Retry(
        const RetryOptions& options = {},
        RetryBudget* budget = nullptr,
        Observer observer = {}
    )
        : policy_(RetryPolicy{options}),
          budget_(budget),
          observer_(std::forward<Observer>(observer)) {}

    /// Takes the other's place, with the options in force; no call may be under way.
    Retry(Retry&& other) noexcept
        : policy_(other.policy()),
          budget_(other.budget_),
          observer_(std::forward<Observer>(other.observer_)) {}

    Retry(const Retry&) = delete;
    Retry& operator=(const Retry&) = delete;

    /// The policy in force, for one call from its beginning to its end: it stays what it
    /// is until the retry is destroyed.
    const RetryPolicy& policy() const noexcept { return policy_.get(); }

    /// The options in force.
    RetryOptions options() const noexcept { return policy().options(); }

    /** Replaces the options of a retry in use. Does nothing if they are those in force.

        Calls on their way keep the options that they began with, to their last attempt.

        What is replaced, less than 200 bytes, is kept until the retry is destroyed, since
        calls may be going by it, so it is refused after a thousand times. Options that
        were in force before cost nothing.

        @throws std::invalid_argument Names the field that is out of range; nothing has
            changed then.
        @throws std::length_error The options were replaced 1,000 times by others than
            were in force before; nothing has changed then.
        @throws std::bad_alloc
    */
    void reconfigure(const RetryOptions& options) {
        const RetryPolicy next{options};
        policy_.replace([&](const RetryPolicy&) { return next; });
    }

    RetrySnapshot snapshot() const noexcept {
        return {.attempts = options().attempts, .reconfigured = policy_.replaced()};
    }

    RetryBudget* budget() const noexcept { return budget_; }
    Observer& observer() noexcept { return observer_; }

private:
    detail::LiveSettings<RetryPolicy> policy_;
    RetryBudget* budget_;
    [[no_unique_address]] Observer observer_;
};

}  // namespace resilience

#endif
