// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_DIVISOR_HPP
#define RESILIENCE_DETAIL_DIVISOR_HPP

#include <bit>
#include <cstdint>
#include <limits>

namespace resilience::detail {

/// The upper half of the product of two 64-bit numbers.
constexpr std::uint64_t high_product(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 Wide;
    return static_cast<std::uint64_t>(Wide{a} * b >> 64);
#else
    constexpr std::uint64_t low = 0xffffffff;
    const std::uint64_t middle = (a >> 32) * (b & low) + ((a & low) * (b & low) >> 32);
    const std::uint64_t carry = (middle & low) + (a & low) * (b >> 32);
    return (a >> 32) * (b >> 32) + (middle >> 32) + (carry >> 32);
#endif
}

/// The whole part of `a * b / c`, or the greatest number if it is more than that. None of
/// them is negative.
constexpr std::int64_t multiply_divide(
    std::int64_t a, std::int64_t b, std::int64_t c
) noexcept {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const auto x = static_cast<std::uint64_t>(a), y = static_cast<std::uint64_t>(b);
    const auto divisor = static_cast<std::uint64_t>(c);
    std::uint64_t rest = high_product(x, y), low = x * y;
    if (rest >= divisor) return most;
    for (int bit = 0; bit < 64; ++bit) {
        rest = rest << 1 | low >> 63;
        low <<= 1;
        if (rest < divisor) continue;
        rest -= divisor;
        low |= 1;
    }
    return low > static_cast<std::uint64_t>(most) ? most : static_cast<std::int64_t>(low);
}

/** Divides by a number that is known beforehand, by multiplication: a few cycles, where
    the processor's own division takes tens.

    With `2^s` the least power of two that is not below the divisor, `factor` is
    `2^(63+s) / divisor` rounded up. The rounding adds less than `n / 2^63 / divisor` to
    the quotient of `n`, which is too little to reach the next whole number as long as `n`
    is below `2^63`.
*/
class Divisor {
public:
    constexpr explicit Divisor(std::uint64_t divisor = 1) noexcept
        : shift_{static_cast<int>(std::bit_width(divisor - 1))} {
        // Long division of 2^(63+s) - 1, that is, of 63+s one bits; then one is added.
        std::uint64_t rest = 0;
        for (int bits = 63 + shift_; bits > 0; --bits) {
            rest = rest * 2 + 1;
            factor_ = factor_ * 2 + (rest >= divisor ? 1 : 0);
            if (rest >= divisor) rest -= divisor;
        }
        ++factor_;
    }

    /// The whole part of `n / divisor`; `n` is not negative.
    constexpr std::int64_t divide(std::int64_t n) const noexcept {
        return divide(n, factor_, shift_);
    }

    /// The same by what another divisor is made of.
    static constexpr std::int64_t divide(
        std::int64_t n, std::uint64_t factor, int shift
    ) noexcept {
        const std::uint64_t twice = static_cast<std::uint64_t>(n) << 1;
        return static_cast<std::int64_t>(high_product(twice, factor) >> shift);
    }

    constexpr std::uint64_t factor() const noexcept { return factor_; }
    constexpr int shift() const noexcept { return shift_; }

private:
    std::uint64_t factor_ = 0;
    int shift_;
};

}  // namespace resilience::detail

#endif
