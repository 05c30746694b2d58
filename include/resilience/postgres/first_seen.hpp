// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_FIRST_SEEN_HPP
#define RESILIENCE_POSTGRES_FIRST_SEEN_HPP

#include <resilience/asio/result.hpp>
#include <resilience/postgres/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace resilience::postgres {

/// Where exactly-once delivery of a lane begins.
struct FirstSeen {
    /// For LaneRelayOptions::first_seen: all that it shows of the lane counts as
    /// delivered. Empty: no row of the lane is finished, so all of them are delivered.
    std::string snapshot;
    /// Transactions with rows that it does not show although they are there: these are
    /// delivered first.
    std::int64_t waiting = 0;
};

/** Finds where to go on with exactly-once delivery in a lane of `outbox_events` that a
    relay in claim mode has delivered from: after every row that is SENT or FAILED, before
    every row that is NEW. So none is delivered again and none is left out; rows of a key
    keep their order, as claims finish them in it.

    To switch a table over:
    @li End every relay in claim mode, and let each end by itself: it settles what it
        holds. Writers go on.
    @li Ask the @ref OutboxWindowSource of each lane for its `identity`. From then on it
        keeps relays from claiming, as long as it lives.
    @li Call this for each lane that has never had a position, give the snapshot to the
        lane's relay as `first_seen`, and run it. It commits the snapshot as its position
        at once; from then on that alone counts, and this is not called again for the
   lane.

    The status of a row is taken for the truth here, which it is in claim mode alone: in
    exactly-once mode it is a report that comes late, or never. To call this for a lane
    whose position was lost would deliver again what is not reported yet.

    Back to claim mode: end the exactly-once relays, run a @ref DeliveryReport that is
   told their positions until it has caught up, then start to claim; what was delivered
   and is still NEW would be claimed.

    @param connection With the table's search path; to the primary.
    @param lane 0 to 32,767.
    @param most_named Most transactions that the snapshot names as not over, 11 bytes each
        in every position. At most 50,000.

    @par Errors
    @li Errc::invalid_request Rows of the lane are PROCESSING, or a transaction wrote
        finished rows and rows that wait, or more than `most_named` transactions wait
        before others that are finished, or the server is a standby. The detail says what
        to do (I11).
    @li Errc::unavailable A relay is claiming. The detail says what to do.
    @li Those of @ref Connection and @ref OutboxWindowSource::identity.

    @par Object lifetimes
    The connection must outlive the operation.
*/
net::awaitable<Result<FirstSeen>> first_seen(
    Connection& connection, int lane, std::size_t most_named = 10'000
);

}  // namespace resilience::postgres

#endif
