// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CLOCK_HPP
#define RESILIENCE_CLOCK_HPP

#include <time.h>

#include <chrono>

namespace resilience {

/// The clock that decides. Steady time alone: a step of the wall clock changes no
/// decision.
using Clock = std::chrono::steady_clock;

/// An instant of @ref Clock; the last argument of each decision.
using TimePoint = Clock::time_point;

/// The clock that dates events and rows for people. Never decides.
using WallClock = std::chrono::system_clock;

/** Tells the time of @ref Clock as it was at the last tick of the kernel: cheaper by far,
    and late by up to the @ref resolution, 1 to 4 ms as a rule. Never early.

    For policies of which the times are much longer than that; any of them takes an
   instant of this clock for one of @ref Clock. A limiter that is asked with it never
   gives more than has arrived by then; over a stretch of time, what arrives in one
   resolution may be counted in it rather than before.

    Where the system has no such clock, this is @ref Clock.

    @par Example
    @code
    bucket.try_acquire(1, CoarseClock::now());
    @endcode
*/
struct CoarseClock {
    using duration = Clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = TimePoint;
    static constexpr bool is_steady = true;

    static TimePoint now() noexcept {
#if defined(CLOCK_MONOTONIC_COARSE)
        timespec t{};
        if (clock_gettime(CLOCK_MONOTONIC_COARSE, &t) == 0) return TimePoint{since(t)};
#endif
        return Clock::now();
    }

    /// How late the clock may be; that of @ref Clock, 1 ns, where there is no other.
    static std::chrono::nanoseconds resolution() noexcept {
#if defined(CLOCK_MONOTONIC_COARSE)
        timespec t{};
        if (clock_getres(CLOCK_MONOTONIC_COARSE, &t) == 0) return since(t);
#endif
        return std::chrono::nanoseconds{1};
    }

private:
    static std::chrono::nanoseconds since(const timespec& t) noexcept {
        return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
    }
};

}  // namespace resilience

#endif
