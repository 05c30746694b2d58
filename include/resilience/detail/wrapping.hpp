// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_WRAPPING_HPP
#define RESILIENCE_DETAIL_WRAPPING_HPP

#include <concepts>
#include <cstdint>

namespace resilience::detail {

/// A 64-bit number of which sums and products wrap around, where those of the language's
/// own signed numbers are undefined: for numbers that may turn out not to belong
/// together.
class Wrapping {
public:
    template <std::convertible_to<std::int64_t> T>
    constexpr Wrapping(const T& value) noexcept
        : bits_{static_cast<std::uint64_t>(static_cast<std::int64_t>(value))} {}

    constexpr std::int64_t value() const noexcept {
        return static_cast<std::int64_t>(bits_);
    }

    friend constexpr Wrapping operator+(Wrapping a, Wrapping b) noexcept {
        return Wrapping{static_cast<std::int64_t>(a.bits_ + b.bits_)};
    }
    friend constexpr Wrapping operator-(Wrapping a, Wrapping b) noexcept {
        return Wrapping{static_cast<std::int64_t>(a.bits_ - b.bits_)};
    }
    friend constexpr Wrapping operator*(Wrapping a, Wrapping b) noexcept {
        return Wrapping{static_cast<std::int64_t>(a.bits_ * b.bits_)};
    }

private:
    std::uint64_t bits_;
};

}  // namespace resilience::detail

#endif
