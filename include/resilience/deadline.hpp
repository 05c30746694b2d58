// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DEADLINE_HPP
#define RESILIENCE_DEADLINE_HPP

#include <resilience/clock.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/timeout.hpp>

#include <chrono>
#include <stdexcept>

namespace resilience {

/** Bounds the whole of a call in a pipeline: every attempt, and the waits between and
    before them.

    Attempts that could not begin in time are not begun. On threads the bound is
    cooperative: the operation finds it in `CallContext::deadline`. A coroutine is
    cancelled, and awaited.

    @par Thread safety
    Safe.
*/
class Deadline {
public:
    static constexpr PipelineStage pipeline_stage = PipelineStage::deadline;

    /// @param after Time from the entry of the pipeline; positive.
    /// @throws std::invalid_argument
    explicit Deadline(std::chrono::nanoseconds after) : timeout_(checked(after)) {}

    std::chrono::nanoseconds after() const noexcept { return timeout_.options().limit; }

    /// What cancels a coroutine that goes past it.
    Timeout<>& timeout() noexcept { return timeout_; }

private:
    static TimeoutOptions checked(std::chrono::nanoseconds after) {
        if (after.count() <= 0) throw std::invalid_argument{"Deadline must be positive"};
        return {.limit = after};
    }

    Timeout<> timeout_;
};

/// Says that a pipeline with a retry is meant to go on for as long as its attempts take.
struct NoDeadline {
    static constexpr PipelineStage pipeline_stage = PipelineStage::deadline;
};

}  // namespace resilience

#endif
