// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_INSTANT_IN_HPP
#define RESILIENCE_DETAIL_INSTANT_IN_HPP

#include <resilience/clock.hpp>

#include <chrono>

namespace resilience::detail {

/// The instant `wait` from now, or the last one there is, for waits of the machine.
/// `wait` is not negative.
inline TimePoint instant_in(std::chrono::nanoseconds wait) noexcept {
    const TimePoint now = Clock::now();
    return wait < TimePoint::max() - now ? now + wait : TimePoint::max();
}

}  // namespace resilience::detail

#endif
