// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_IS_LATER_HPP
#define RESILIENCE_DETAIL_IS_LATER_HPP

#include <cstdint>

namespace resilience::detail {

/// Whether number `a` came after `b`, of two that are not further apart than half of all
/// numbers, which begin again after `count`, a power of two.
constexpr bool is_later(std::uint64_t a, std::uint64_t b, std::uint64_t count) noexcept {
    const std::uint64_t ahead = (a - b) % count;
    return ahead != 0 && ahead < count / 2;
}

}  // namespace resilience::detail

#endif
