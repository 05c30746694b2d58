// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_LANE_SURVEY_HPP
#define RESILIENCE_POSTGRES_LANE_SURVEY_HPP

#include <resilience/asio/result.hpp>
#include <resilience/lane_position.hpp>
#include <resilience/postgres/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace resilience::postgres {

/// A session that has a lane of an outbox; see @ref LaneLocks.
struct LaneOwner {
    int lane = 0;
    /// Process of the session at the server.
    std::int64_t process = 0;
    /// Where the session comes from; empty: a Unix socket, or the server does not tell.
    std::string address;
};

/// What a server says of the lanes of its outbox.
struct LaneSurvey {
    SourceIdentity source;
    /// The snapshot of this moment.
    std::string snapshot;
    /// Instances that share the lanes.
    int members = 0;
    /// How many lanes they share; none without members.
    std::optional<int> lanes;
    /// By lane.
    std::vector<LaneOwner> owners;
};

/** Tells who has which lanes of the table `outbox_events` of the connection's search
    path. Takes part in nothing.

    @par Errors
    @li Those of @ref OutboxWindowSource::identity, and of the connection.
*/
net::awaitable<Result<LaneSurvey>> survey_lanes(Connection& connection);

/// Rows of a lane that are committed and behind a position.
struct LaneBacklog {
    /// How many; no more than asked for.
    std::int64_t events = 0;
    /// There are more than asked for.
    bool more = false;
    /// How long the oldest of them has been written; none without rows. Of those that
    /// were looked at, if there are more.
    std::optional<std::chrono::microseconds> age;
};

/** Counts what of a lane is not delivered yet: rows that are visible now, but neither in
    `seen` nor, up to `last_seq`, in `window` (I3). Exact; costs what the rows that are
    counted cost, however many are delivered.

    @param position None: no row of the lane is delivered.
    @param most Rows that are counted at most. 1 to 10,000,000.

    @par Errors
    @li Errc::history_changed The position speaks of another source (I11).
    @li Those of @ref survey_lanes.
*/
net::awaitable<Result<LaneBacklog>> lane_backlog(
    Connection& connection,
    int lane,
    const std::optional<LanePosition>& position,
    std::int64_t most = 1'000'000
);

/** Counts what of a lane is not delivered yet, at a cost that is bounded by `most`,
    however much of a large window is delivered already.

    Looks at the newest rows by transaction, twice `most` of them, and at those of
    transactions that were in progress when the position was written. The rest of a
    transaction that wrote as many rows over a long time may be among those that are not
    looked at: then there are more than it tells. It tells no age.

    @param position Has been committed.
    @param most Rows that are counted at most. 1 to 1,000,000.

    @par Errors
    Those of @ref lane_backlog.
*/
net::awaitable<Result<LaneBacklog>> recent_lane_backlog(
    Connection& connection,
    int lane,
    const LanePosition& position,
    std::int64_t most = 10'000
);

}  // namespace resilience::postgres

#endif
