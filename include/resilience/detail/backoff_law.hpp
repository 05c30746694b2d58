// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BACKOFF_LAW_HPP
#define RESILIENCE_DETAIL_BACKOFF_LAW_HPP

#include <resilience/detail/divisor.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace resilience::detail {

/// Uniform in [0, whole) for uniform bits; zero for zero.
constexpr std::int64_t portion(std::int64_t whole, std::uint64_t random) noexcept {
    return static_cast<std::int64_t>(
        high_product(static_cast<std::uint64_t>(whole), random)
    );
}

/** Computes back-offs in nanoseconds, in integers that saturate: no count of failures
    overflows, and none takes long.

    Nothing here is negative; `base <= cap`.
*/
struct BackoffLaw {
    static constexpr double kLeastFactor = 1.01;
    static constexpr double kMostFactor = 1000.0;
    /// What decorrelated jitter multiplies the wait before by.
    static constexpr std::int64_t kSpread = 3;
    /// Steps after which a decorrelated sequence has forgotten how it began.
    static constexpr std::uint32_t kMemory = 64;

    std::uint64_t factor = 0;  // times 2^32
    std::int64_t cap = 0;

    static constexpr BackoffLaw make(double factor, std::int64_t cap) noexcept {
        return {static_cast<std::uint64_t>(factor * 4294967296.0 + 0.5), cap};
    }

    /// The next back-off: the product, rounded, at most the cap. Grows by at least one.
    constexpr std::int64_t grown(std::int64_t value) const noexcept {
        const std::uint64_t low = static_cast<std::uint64_t>(value) * factor;
        const std::uint64_t rounded = low + (std::uint64_t{1} << 31);
        const std::uint64_t high =
            high_product(static_cast<std::uint64_t>(value), factor) +
            (rounded < low ? 1 : 0);
        if (high >> 31 != 0) return cap;
        const auto next = static_cast<std::int64_t>(high << 32 | rounded >> 32);
        return std::min(std::max(next, value + 1), cap);
    }

    /// The back-off after `failed` failures. As the least factor takes 1.01 from a
    /// nanosecond to 292 years in 4,500 steps, that is the most there are.
    constexpr std::int64_t backoff(std::int64_t base, std::uint32_t failed)
        const noexcept {
        std::int64_t value = base;
        if (factor == std::uint64_t{1} << 32) return value;
        for (std::uint32_t i = 1; i < failed && value < cap; ++i) value = grown(value);
        return value;
    }

    /// Uniform between the base and three times the wait before, at most the cap.
    constexpr std::int64_t decorrelated(
        std::int64_t base, std::int64_t previous, std::uint64_t random
    ) const noexcept {
        const std::int64_t from = std::max(base, previous);
        const std::int64_t to = from > std::numeric_limits<std::int64_t>::max() / kSpread
                                    ? std::numeric_limits<std::int64_t>::max()
                                    : from * kSpread;
        return std::min(cap, base + portion(to - base, random));
    }
};

}  // namespace resilience::detail

#endif
