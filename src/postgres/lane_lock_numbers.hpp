// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_LANE_LOCK_NUMBERS_HPP
#define RESILIENCE_SRC_POSTGRES_LANE_LOCK_NUMBERS_HPP

#include <cstdint>

namespace resilience::postgres {

// The second number of a lock is the lane, or for a member the number of lanes below
// zero, which the server shows as a number without sign.
inline constexpr std::int64_t first_member = std::int64_t{1} << 31;
inline constexpr std::int64_t end_of_members = std::int64_t{1} << 32;

}  // namespace resilience::postgres

#endif
