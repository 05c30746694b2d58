// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CALL_CONTEXT_HPP
#define RESILIENCE_CALL_CONTEXT_HPP

#include <resilience/clock.hpp>

#include <cstdint>
#include <stop_token>

namespace resilience {

/// What an operation run by a pipeline may want to know of its call.
struct CallContext {
    /// The last instant at which the pipeline read the clock: the start of this attempt.
    TimePoint now{};

    /// When this attempt is to end: the sooner of the total deadline and the attempt's
    /// timeout. `TimePoint::max()` without either.
    TimePoint deadline = TimePoint::max();

    /// 1 for the first attempt, 2 for the first retry, and so on.
    std::uint32_t attempt = 1;

    /// The number of this attempt among those that a `Hedge` makes side by side: 0 for
    /// the first. They have the same number @ref attempt.
    std::uint32_t hedge = 0;

    /// Asks the operation to give up. Only threads need it: a coroutine is cancelled by
    /// its cancellation slot.
    std::stop_token stop{};
};

}  // namespace resilience

#endif
