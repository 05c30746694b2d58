// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SATURATED_ADD_HPP
#define RESILIENCE_DETAIL_SATURATED_ADD_HPP

#include <resilience/clock.hpp>

#include <chrono>

namespace resilience::detail {

/// `now + span`, or the last instant there is where that is later.
constexpr TimePoint saturated_add(TimePoint now, std::chrono::nanoseconds span) noexcept {
    if (span.count() > 0 && now > TimePoint::max() - span) return TimePoint::max();
    return now + span;
}

}  // namespace resilience::detail

#endif
