// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SATURATED_ADD_HPP
#define RESILIENCE_DETAIL_SATURATED_ADD_HPP

#include <resilience/clock.hpp>

#include <chrono>
#include <cstdint>

namespace resilience::detail {

/// `now + span`, or the last instant there is where that is later.
constexpr TimePoint saturated_add(TimePoint now, std::chrono::nanoseconds span) noexcept {
    if (span.count() > 0 && now > TimePoint::max() - span) return TimePoint::max();
    return now + span;
}

/// The time from `start` to `now`, which is negative where the clock went back; the
/// longest there is where it is longer, as between the ends of a clock's range.
constexpr std::chrono::nanoseconds saturated_span(
    TimePoint start, TimePoint now
) noexcept {
    std::int64_t span = 0;
    if (!__builtin_sub_overflow(
            now.time_since_epoch().count(), start.time_since_epoch().count(), &span
        )) {
        return std::chrono::nanoseconds{span};
    }
    return now < start ? std::chrono::nanoseconds::min()
                       : std::chrono::nanoseconds::max();
}

}  // namespace resilience::detail

#endif
