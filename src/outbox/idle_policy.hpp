// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_IDLE_POLICY_HPP
#define RESILIENCE_SRC_OUTBOX_IDLE_POLICY_HPP

#include <resilience/clock.hpp>
#include <resilience/retry_policy.hpp>

#include <resilience/detail/saturated_add.hpp>

#include <algorithm>
#include <chrono>

namespace resilience::detail {

/** The waits between looks at a table in which nothing is found.

    The sum of the waits so far is about 50 times the next one, so an event that comes
    after a pause waits for at most a fiftieth of that pause, or the least.
*/
inline RetryPolicy idle_policy(
    std::chrono::milliseconds least, std::chrono::milliseconds most
) {
    return RetryPolicy{
        {.base = least, .factor = 1.02, .cap = most, .jitter = Jitter::none}};
}

/// How long to wait until `ready`, at most `most`.
inline std::chrono::nanoseconds rest_until(
    TimePoint ready, TimePoint now, std::chrono::nanoseconds most
) noexcept {
    return std::clamp(saturated_span(now, ready), std::chrono::nanoseconds{0}, most);
}

}  // namespace resilience::detail

#endif
