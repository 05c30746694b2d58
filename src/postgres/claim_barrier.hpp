// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_CLAIM_BARRIER_HPP
#define RESILIENCE_SRC_POSTGRES_CLAIM_BARRIER_HPP

#include <resilience/postgres/rows.hpp>

namespace resilience::postgres {

/// Reads what the statements `window_barrier` and `first_seen_barrier` returned: refuses
/// when somebody claims rows of the table.
inline Result<void> read_barrier(const Row& row) {
    const auto is_up = row.boolean(0);
    if (!is_up) return is_up.error();
    if (*is_up) return Result<void>{};
    return fail(
        Errc::unavailable,
        "outbox_events: a relay in claim mode is at work. End it before events are "
        "delivered exactly once"
    );
}

}  // namespace resilience::postgres

#endif
