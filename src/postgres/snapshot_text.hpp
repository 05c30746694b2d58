// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_SNAPSHOT_TEXT_HPP
#define RESILIENCE_SRC_POSTGRES_SNAPSHOT_TEXT_HPP

#include <cstdint>
#include <optional>
#include <string_view>

namespace resilience::postgres {

/// The snapshot of a history in which nothing has happened yet.
inline constexpr std::string_view first_snapshot = "1:1:";

/// The first transaction number that a `pg_snapshot` in text form knows nothing of, its
/// `xmax`; none when the text is not of that form. Whether the numbers between make sense
/// is left to the server.
std::optional<std::uint64_t> end_of_snapshot(std::string_view text) noexcept;

}  // namespace resilience::postgres

#endif
