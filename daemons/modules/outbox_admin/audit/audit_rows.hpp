// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_ROWS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_ROWS_HPP

#include <modules/outbox_admin/audit/audit_ledger.hpp>
#include <modules/outbox_admin/outbox/tools.hpp>

#include <resilience/lane_position.hpp>
#include <resilience/window_source.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// Where the rows begin that are as young as a request asks for.
struct AuditSpan {
    /// None: all rows.
    std::optional<WallClock::time_point> since;
    /// Every row that is as young has a greater `seq`.
    std::int64_t after = 0;
    /// Rows of these topics alone; empty: of all.
    std::vector<std::string> topics = {};
};

/// Asks the table where the span begins.
net::awaitable<Result<AuditSpan>> find_span(const Tools& tools);

/** Enters the rows of a lane that its position counts as delivered (I3).

    @par Errors
    @li Errc::too_large The ledger is full.
    @li Those of the source.
*/
net::awaitable<Result<void>> expect_delivered(
    WindowSource& source,
    int lane,
    const LanePosition& position,
    const AuditSpan& span,
    AuditLedger& ledger
);

/** Reads rows of one lane again, as they are visible in the snapshot, with one look at
    the table.

    @param rows By ascending `seq`, at least one.
    @return The first of them, at least one, as far as they are near to one another.

    @par Errors
    @li Errc::not_found The first one is not there.
    @li Those of the source.
*/
net::awaitable<Result<std::vector<WindowEvent>>> read_again(
    WindowSource& source, const std::string& snapshot, std::span<const DueRow> rows
);

}  // namespace resilience::modules::outbox_admin

#endif
