// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_JUDGE_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_JUDGE_HPP

#include <modules/outbox_admin/audit/audit_ledger.hpp>

#include <resilience/asio/result.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::modules::outbox_admin {

/// Since when topics keep all of their records. Pure.
class KeptSpans {
public:
    /// Says that a topic keeps all records since then, and that older ones were removed.
    /// Of several times of a topic, which its partitions have, the last one counts.
    void removed_before(std::string_view topic, WallClock::time_point since);

    /// Since when an event of this topic must be found: in the topic, or where such
    /// events are put aside. None: since ever.
    std::optional<WallClock::time_point> kept_since(std::string_view topic) const;

private:
    std::map<std::string, WallClock::time_point, std::less<>> since_;
};

/// Rows that were not found, each by lane and seq.
struct Judged {
    /// They would be there if they had been delivered.
    std::vector<DueRow> missing;
    /// They may have been delivered, and removed since, or to a topic that was not read.
    std::vector<DueRow> unjudged;
};

/// Judges the rows that were not found. Pure.
/// @param named The topics that were read; empty: all that there are.
Judged judge(
    std::vector<DueRow> absent,
    const KeptSpans& kept,
    const std::vector<std::string>& named
);

/// What an operator says of rows that cannot be judged.
enum class UnjudgedWord : std::uint8_t { none, delivered, not_delivered };

/** Tells whether lanes may go on behind rows, so many of which cannot be judged. Pure.

    @par Errors
    @li Errc::not_found Some cannot, and the operator has not said what they are. The
        detail says what to do.
*/
Result<void> may_go_on(std::size_t unjudged, UnjudgedWord word);

}  // namespace resilience::modules::outbox_admin

#endif
