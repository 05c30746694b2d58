// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RETRY_HPP
#define RESILIENCE_RETRY_HPP

#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/retry_policy.hpp>

#include <utility>

namespace resilience {

/** Repeats failed attempts in a pipeline, as a @ref RetryPolicy decides.

    Needs a `Deadline` outside it, or `NoDeadline`. Waits on the thread or in the
    coroutine that runs the pipeline; a request to stop ends the wait, and the last
    failure is returned.

    @tparam Observer Sees the events `Retried` and `RetryStopped`.

    @par Thread safety
    Safe, if the observer is.

    @par Object lifetimes
    The budget must outlive the retry.
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
        : policy_(options),
          budget_(budget),
          observer_(std::forward<Observer>(observer)) {}

    const RetryPolicy& policy() const noexcept { return policy_; }
    RetryBudget* budget() const noexcept { return budget_; }
    Observer& observer() noexcept { return observer_; }

private:
    RetryPolicy policy_;
    RetryBudget* budget_;
    [[no_unique_address]] Observer observer_;
};

}  // namespace resilience

#endif
