// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CODEL_LAW_HPP
#define RESILIENCE_DETAIL_CODEL_LAW_HPP

#include <resilience/clock.hpp>

#include <resilience/detail/saturated_add.hpp>

#include <algorithm>
#include <chrono>

namespace resilience::detail {

/** Tells a queue that works off a burst from one that never empties, as the controlled
    delay of K. Nichols and V. Jacobson does: by the shortest of the longest waits of an
    interval.
*/
struct CodelState {
    /// When the interval ends.
    TimePoint ends = TimePoint::min();
    /// The least that whoever waited longest had waited in it.
    std::chrono::nanoseconds least{0};
    /// Whether that was more than the target throughout the interval before.
    bool overloaded = false;

    /// The state after whoever waits longest was seen to have waited for `wait`; zero if
    /// nobody waits.
    [[nodiscard]] constexpr CodelState seen(
        std::chrono::nanoseconds wait,
        TimePoint now,
        std::chrono::nanoseconds target,
        std::chrono::nanoseconds interval
    ) const noexcept {
        if (now < ends) return {ends, std::min(least, wait), overloaded};
        // Whoever has not waited at all found an empty queue, however long it had been
        // so.
        const bool stood = wait.count() > 0;
        return {saturated_add(now, interval), wait, stood && least > target};
    }

    /// Whether a wait of this length ends without a slot.
    [[nodiscard]] constexpr bool sheds(
        std::chrono::nanoseconds wait, std::chrono::nanoseconds target
    ) const noexcept {
        return overloaded && wait - target > target;
    }

    friend constexpr bool operator==(const CodelState&, const CodelState&) = default;
};

}  // namespace resilience::detail

#endif
