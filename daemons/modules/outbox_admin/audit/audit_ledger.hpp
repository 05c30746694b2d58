// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_LEDGER_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_LEDGER_HPP

#include <resilience/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace resilience::modules::outbox_admin {

/// A row that should be in its topic.
struct DueRow {
    int lane = 0;
    std::int64_t seq = 0;
    std::string event;
    std::string topic;
    WallClock::time_point created;
};

/** Which of the rows that count as delivered were found in the topics. Pure, in memory
    that is bounded by the number of rows.

    @par Thread safety
    None.
*/
class AuditLedger {
public:
    /// @param most Rows at most.
    explicit AuditLedger(std::size_t most) : most_(most) {}

    /// @return Whether there was room.
    bool expect(DueRow row);

    /// Notes that the event is in a topic. @return Whether a row of it is known.
    bool found(std::string_view event);

    std::size_t rows() const noexcept { return due_.size() + found_.size(); }

    /// Rows that were not found, by lane and seq.
    std::vector<DueRow> missing() const;

private:
    std::size_t most_;
    std::unordered_map<std::string, DueRow> due_;
    // What was found once may be found again.
    std::unordered_set<std::string> found_;
};

}  // namespace resilience::modules::outbox_admin

#endif
