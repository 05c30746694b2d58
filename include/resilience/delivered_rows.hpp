// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DELIVERED_ROWS_HPP
#define RESILIENCE_DELIVERED_ROWS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/lane_position.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace resilience {

/// What of one lane was delivered.
struct DeliveredLane {
    int lane = 0;
    /// The last position that is known to be committed.
    LanePosition position;
};

/// Asks for rows with `after < seq <= to`, of whatever lane.
struct DeliveredSlice {
    /// Lanes whose rows are dealt with; at least one, each once.
    std::vector<DeliveredLane> lanes;
    std::int64_t after = 0;
    std::int64_t to = std::numeric_limits<std::int64_t>::max();
    /// Most rows that are looked at. 1 to 5,000.
    std::size_t limit = 1000;
};

/// What became of a @ref DeliveredSlice.
struct DeliveredOutcome {
    /// Rows that were looked at. Fewer than asked for: there are no more.
    std::size_t looked = 0;
    /// The last of them; 0 without any.
    std::int64_t last_seq = 0;
    /// Rows that were changed or removed.
    std::size_t changed = 0;
    /// The first row that was due, but that somebody else had locked; 0: none.
    std::int64_t first_locked = 0;
    /// `remove` alone: the first row that stays and may have to go later; 0: none.
    std::int64_t first_kept = 0;
    /// `remove` alone: rows that are younger than asked for.
    std::size_t young = 0;
    /// `remove` alone: rows that are old enough and stay because they are shown FAILED.
    std::size_t failed = 0;
};

/// A row whose dead letter was delivered in its place.
struct DeadLetteredRow {
    std::int64_t seq = 0;
    std::string reason;
};

/** The rows of an outbox table of which the lanes' positions tell what was delivered:
    what is shown of them, and whether they stay.

    @par Contract
    @li I1: what was delivered is told by the positions given, never by the rows.
    @li `report` changes rows that are NEW and delivered to SENT, and no other.
    @li `remove` takes rows away that are visible in the `seen` of their lane (I9), old
        enough and not FAILED, and no other.
    @li A row that somebody has locked is neither waited for nor changed.
    @li `report_failed` changes rows that are NEW or SENT and delivered to FAILED, and no
        other.
    @li I11: positions of another history than the table's are refused with
        @ref Errc::history_changed by every operation that is given some; nothing is
        changed.
    @li What an operation has done is durable when it succeeds.

    @par Errors of each operation
    Those of which @ref blames_rows holds speak of a row of the slice, and of nothing that
    fails without it; nothing of the slice was changed. After others it may be tried
    again.

    @par Cancellation
    `terminal`.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    What an operation is given by reference or as a span must outlive it.
*/
class DeliveredRows {
public:
    virtual ~DeliveredRows() = default;

    /// Tells the highest `seq` in the table; 0 when it is empty.
    virtual net::awaitable<Result<std::int64_t>> last_seq() = 0;

    /// Looks at NEW rows by ascending `seq` and makes those SENT that were delivered.
    virtual net::awaitable<Result<DeliveredOutcome>> report(const DeliveredSlice& slice
    ) = 0;

    /// Makes those of the rows FAILED that are NEW or SENT and were delivered; others are
    /// left alone. At least one lane, each once; at most 5,000 rows.
    /// @return The `seq` of those that were due, but that somebody else had locked.
    virtual net::awaitable<Result<std::vector<std::int64_t>>> report_failed(
        std::span<const DeliveredLane> lanes, std::span<const DeadLetteredRow> rows
    ) = 0;

    /// Looks at rows by ascending `seq` and removes those that were delivered and are at
    /// least of this age, counted from `created_at`. Zero: whatever their age.
    virtual net::awaitable<Result<DeliveredOutcome>> remove(
        const DeliveredSlice& slice, std::chrono::milliseconds age
    ) = 0;
};

}  // namespace resilience

#endif
