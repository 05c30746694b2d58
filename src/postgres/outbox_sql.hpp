// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_OUTBOX_SQL_HPP
#define RESILIENCE_SRC_POSTGRES_OUTBOX_SQL_HPP

#include <cstddef>
#include <string>
#include <string_view>

/// The statements of the outbox source: each is a file of src/postgres/sql/, which says
/// what it does, why it is written so, and what its parameters are.
namespace resilience::postgres::sql {

extern const std::string_view claim;
extern const std::string_view claim_durably;
extern const std::string_view claim_lock;
extern const std::string_view depth;
extern const std::string_view plan_by_index;
extern const std::string_view plan_settle;
extern const std::string_view release_unknown;
extern const std::string_view reset_stale;
extern const std::string_view settle;

/// Writes the most rows of a claim into a statement that asks for `:limit`.
inline std::string with_limit(std::string_view statement, std::size_t limit) {
    constexpr std::string_view place = ":limit";
    std::string text{statement};
    const auto at = text.find(place);
    return text.replace(at, place.size(), std::to_string(limit));
}

}  // namespace resilience::postgres::sql

#endif
