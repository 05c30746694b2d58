// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_MANUAL_CLOCK_HPP
#define RESILIENCE_TESTING_MANUAL_CLOCK_HPP

#include <resilience/clock.hpp>

#include <atomic>
#include <chrono>

namespace resilience::testing {

/** A clock whose hands a test moves.

    An object of it stands where a policy takes a clock or an instant: `now()` is what it
    was last set to. A new clock shows one hour, not zero, so that code which takes an
    instant of zero for "never" is found out.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe.
*/
class ManualClock {
public:
    using rep = Clock::rep;
    using period = Clock::period;
    using duration = Clock::duration;
    using time_point = TimePoint;
    static constexpr bool is_steady = false;

    explicit ManualClock(TimePoint start = TimePoint{std::chrono::hours{1}}) noexcept
        : now_(start.time_since_epoch().count()) {}

    TimePoint now() const noexcept {
        return TimePoint{duration{now_.load(std::memory_order_acquire)}};
    }

    /// Moves the hands by `by`, also backwards: a policy must bear that. Returns the new
    /// time.
    TimePoint advance(duration by) noexcept {
        const rep before = now_.fetch_add(by.count(), std::memory_order_acq_rel);
        return TimePoint{duration{before} + by};
    }

    void set(TimePoint now) noexcept {
        now_.store(now.time_since_epoch().count(), std::memory_order_release);
    }

private:
    std::atomic<rep> now_;
};

}  // namespace resilience::testing

#endif
