// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_THROTTLE_LAW_HPP
#define RESILIENCE_DETAIL_THROTTLE_LAW_HPP

#include <algorithm>
#include <cstdint>

namespace resilience::detail {

/// Requests made, and those that the peer accepted.
struct ThrottleCounts {
    std::int64_t requests = 0;
    std::int64_t accepts = 0;

    friend constexpr bool operator==(const ThrottleCounts&, const ThrottleCounts&) =
        default;
};

/** One bucket of a throttle's window in one word: `[lap:16][requests:24][accepts:24]`.

    The buckets are used in turn, and the lap says for which turn the counts stand; those
    of an earlier one count as zero, and the first count of a new one replaces them. So
    turning over is the same exchange as counting. A thread whose clock is late counts
   into the lap that it finds.

    Laps repeat after 65,536 windows, three months of the default one: a throttle that
    rests for exactly as long finds one old bucket as new.
*/
struct ThrottleBucket {
    static constexpr std::int64_t kMost = (std::int64_t{1} << 24) - 1;

    std::uint16_t lap = 0;
    ThrottleCounts counts{};

    static constexpr ThrottleBucket of(std::uint64_t word) noexcept {
        return {
            static_cast<std::uint16_t>(word >> 48),
            {static_cast<std::int64_t>(word >> 24 & kMost),
             static_cast<std::int64_t>(word & kMost)}};
    }

    constexpr std::uint64_t word() const noexcept {
        return std::uint64_t{lap} << 48 |
               static_cast<std::uint64_t>(counts.requests) << 24 |
               static_cast<std::uint64_t>(counts.accepts);
    }

    /// Whether the counts stand for the turn `now`, or for the next.
    constexpr bool current(std::uint16_t now) const noexcept {
        return static_cast<std::uint16_t>(lap - now) <= 1;
    }

    /// The bucket after something has happened. When a count would not fit, both are
    /// halved: their ratio is what matters.
    constexpr ThrottleBucket counted(std::uint16_t now, ThrottleCounts more)
        const noexcept {
        ThrottleBucket next = current(now) ? *this : ThrottleBucket{now, {}};
        next.counts.requests += more.requests;
        next.counts.accepts += more.accepts;
        if (std::max(next.counts.requests, next.counts.accepts) > kMost) {
            next.counts.requests /= 2;
            next.counts.accepts /= 2;
        }
        return next;
    }

    /// The bucket after a request that was counted in the turn `then` was taken back.
    constexpr ThrottleBucket uncounted(std::uint16_t then) const noexcept {
        ThrottleBucket next = *this;
        if (lap == then && next.counts.requests > 0) --next.counts.requests;
        return next;
    }
};

/// The share of requests to refuse: those that are more than `multiplier` times what the
/// peer accepts, `grace` aside.
constexpr double throttle_share(
    ThrottleCounts counts, double multiplier, double grace, double most
) noexcept {
    const double requests = static_cast<double>(counts.requests);
    const double accepted = multiplier * static_cast<double>(counts.accepts);
    return std::clamp((requests - grace - accepted) / (requests + 1.0), 0.0, most);
}

}  // namespace resilience::detail

#endif
