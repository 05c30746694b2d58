// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BACKOFF_LAW_HPP
#define RESILIENCE_DETAIL_BACKOFF_LAW_HPP

#include <algorithm>
#include <cstdint>
#include <limits>

namespace resilience::detail {

/// The 128-bit product of two numbers.
struct WideProduct {
    std::uint64_t high;
    std::uint64_t low;
};

constexpr WideProduct multiply(std::uint64_t a, std::uint64_t b) noexcept {
    constexpr std::uint64_t kLow = 0xffffffff;
    const std::uint64_t low = (a & kLow) * (b & kLow);
    const std::uint64_t first = (a >> 32) * (b & kLow) + (low >> 32);
    const std::uint64_t second = (a & kLow) * (b >> 32) + (first & kLow);
    const std::uint64_t high = (a >> 32) * (b >> 32) + (first >> 32) + (second >> 32);
    return {high, second << 32 | (low & kLow)};
}

/// Uniform in [0, whole) for uniform bits; zero for zero.
constexpr std::int64_t portion(std::int64_t whole, std::uint64_t random) noexcept {
    const WideProduct product = multiply(static_cast<std::uint64_t>(whole), random);
    return static_cast<std::int64_t>(product.high);
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
        const WideProduct product = multiply(static_cast<std::uint64_t>(value), factor);
        const std::uint64_t rounded = product.low + (std::uint64_t{1} << 31);
        const std::uint64_t high = product.high + (rounded < product.low ? 1 : 0);
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
