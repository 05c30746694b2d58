// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_IDLE_POLICY_HPP
#define RESILIENCE_SRC_OUTBOX_IDLE_POLICY_HPP

#include <resilience/clock.hpp>
#include <resilience/retry_policy.hpp>

#include <resilience/detail/saturated_add.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

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

/** How long a lane waits where `delay` was due.

    Once waits are as long as they get (`most`), the first lane looks at multiples of
    `most`, and the others together a moment later, when they can use what that one has
    seen: a process that is woken costs more than its looks. More than 0, at most `most`.
*/
inline std::chrono::nanoseconds idle_wait(
    std::chrono::nanoseconds delay, std::chrono::nanoseconds most, int lane, TimePoint now
) noexcept {
    constexpr std::chrono::microseconds later{1500};
    constexpr std::chrono::microseconds none{0};
    if (delay < most) return delay;
    const auto since = (now.time_since_epoch() - (lane == 0 ? none : later)) % most;
    return since.count() < 0 ? -since : most - since;
}

/// The waits of one lane between looks that find nothing.
class LanePace {
public:
    LanePace(std::chrono::milliseconds least, std::chrono::milliseconds most, int lane)
        : policy_(idle_policy(least, most)), most_(most), lane_(lane) {}

    /// How long to wait after one look more that found nothing.
    std::chrono::nanoseconds next(TimePoint now) {
        return idle_wait(policy_.delay(++empty_looks_, 0), most_, lane_, now);
    }

    /// Something was found, or is said to be there.
    void reset() noexcept { empty_looks_ = 0; }

private:
    RetryPolicy policy_;
    std::chrono::milliseconds most_;
    int lane_;
    std::uint32_t empty_looks_ = 0;
};

/// How long to wait until `ready`, at most `most`.
inline std::chrono::nanoseconds rest_until(
    TimePoint ready, TimePoint now, std::chrono::nanoseconds most
) noexcept {
    return std::clamp(saturated_span(now, ready), std::chrono::nanoseconds{0}, most);
}

}  // namespace resilience::detail

#endif
