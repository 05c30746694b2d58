// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_IDLE_POLICY_HPP
#define RESILIENCE_SRC_OUTBOX_IDLE_POLICY_HPP

#include <resilience/retry_policy.hpp>

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

}  // namespace resilience::detail

#endif
