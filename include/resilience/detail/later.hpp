// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LATER_HPP
#define RESILIENCE_DETAIL_LATER_HPP

#include <resilience/clock.hpp>

#include <chrono>

namespace resilience::detail {

/// The instant `wait` after `from`, or the last instant there is. `wait` is not negative.
constexpr TimePoint later(TimePoint from, std::chrono::nanoseconds wait) noexcept {
    const bool fits = from <= TimePoint{} || wait <= TimePoint::max() - from;
    return fits ? from + wait : TimePoint::max();
}

}  // namespace resilience::detail

#endif
