// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CLOCK_HPP
#define RESILIENCE_CLOCK_HPP

#include <chrono>

namespace resilience {

/// The clock that decides. Steady time alone: a step of the wall clock changes no
/// decision.
using Clock = std::chrono::steady_clock;

/// An instant of @ref Clock; the last argument of each decision.
using TimePoint = Clock::time_point;

/// The clock that dates events and rows for people. Never decides.
using WallClock = std::chrono::system_clock;

}  // namespace resilience

#endif
