// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_OUTBOX_SQL_HPP
#define RESILIENCE_SRC_POSTGRES_OUTBOX_SQL_HPP

#include <cstddef>
#include <string>
#include <string_view>

/// The statements of the outbox sources and of the inbox: each is a file of
/// src/postgres/sql/, which says what it does, why it is written so, and what its
/// parameters are.
namespace resilience::postgres::sql {

extern const char* const claim;
extern const char* const claim_durably;
extern const char* const claim_lock;
extern const char* const depth;
extern const char* const first_seen;
extern const char* const first_seen_barrier;
extern const char* const give_up;
extern const char* const inbox_prune;
extern const char* const inbox_take;
extern const char* const lane_backlog;
extern const char* const lane_backlog_recent;
extern const char* const lane_census;
extern const char* const lane_give_up;
extern const char* const lane_join;
extern const char* const lane_owners;
extern const char* const lane_session;
extern const char* const lane_table;
extern const char* const lane_take;
extern const char* const last_seq;
extern const char* const next_due;
extern const char* const plan_by_index;
extern const char* const plan_settle;
extern const char* const release_unknown;
extern const char* const remove_slice;
extern const char* const report_failed;
extern const char* const report_session;
extern const char* const report_slice;
extern const char* const reset_stale;
extern const char* const reset_stale_row;
extern const char* const settle;
extern const char* const stale_rows;
extern const char* const unpark_request;
extern const char* const unpark_take;
extern const char* const window_barrier;
extern const char* const window_extent;
extern const char* const window_gate;
extern const char* const window_gate_durably;
extern const char* const window_identity;
extern const char* const window_in_order;
extern const char* const window_light;
extern const char* const window_look;
extern const char* const window_picked;
extern const char* const window_session;
extern const char* const window_sorted;

/// Writes the most rows of a claim into a statement that asks for `:limit`.
inline std::string with_limit(std::string_view statement, std::size_t limit) {
    constexpr std::string_view place = ":limit";
    std::string text{statement};
    const auto at = text.find(place);
    return text.replace(at, place.size(), std::to_string(limit));
}

}  // namespace resilience::postgres::sql

#endif
