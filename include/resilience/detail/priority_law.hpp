// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_PRIORITY_LAW_HPP
#define RESILIENCE_DETAIL_PRIORITY_LAW_HPP

#include <resilience/task.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace resilience::detail {

inline constexpr std::size_t priority_count = 3;

/** The order in which the levels are looked at when the task number `turn` is taken.

    One turn of sixteen asks the low level first, three the normal level, twelve the high
    one; what is left over goes to the highest level that has something. So the oldest
    task of a level waits for a bounded number of turns, however many tasks are above it.
*/
constexpr std::array<Priority, priority_count> level_order(std::uint64_t turn) noexcept {
    if (turn % 16 == 15) return {Priority::low, Priority::high, Priority::normal};
    if (turn % 4 == 3) return {Priority::normal, Priority::high, Priority::low};
    return {Priority::high, Priority::normal, Priority::low};
}

}  // namespace resilience::detail

#endif
