// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_UNPARKS_HPP
#define RESILIENCE_POSTGRES_UNPARKS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/poison_policy.hpp>
#include <resilience/postgres/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace resilience::postgres {

/** Says to whoever runs a lane that one of its parkings may end, by a row of the table
    `outbox_unparks` of the connection's search path.

    To unpark a key without breaking its order:
    @li Read the lane's position, and find the key in its @ref LanePosition::parked: it
        tells `since` and how many `events` were put aside.
    @li Write the events of the topic of parked events whose `parked_since` is that
        `since`, in the order of their `parked_number` from 1 to `events`, to their own
        topic.
    @li Call this with the parking as the position has it, then read the position until it
        is gone from it, or has more events. Where it has more, go on with those, and call
        this again. Where neither comes, the word may have been lost with an owner that
        ended: call this again.

    From the position on that does not have the parking, events of the key go to their
    topic. What LaneRelayOptions::find_unparks promises holds.

    @param outbox LaneProducerOptions::outbox of the relay.
    @param lane 0 to 32,767.
    @param word Ends this parking alone, and if it has so many events.

    @par Errors
    Those of @ref Connection; Errc::bad_destination when the table is not there;
    Errc::invalid_request when a number is out of range.

    @par Object lifetimes
    The connection must outlive the operation.
*/
net::awaitable<Result<void>> request_unpark(
    Connection& connection, std::string outbox, int lane, ParkedKey word
);

/** Takes what was said of the parkings of a lane of that outbox, for
    LaneRelayOptions::find_unparks. Nobody is told it a second time.

    @par Errors
    As @ref request_unpark.

    @par Object lifetimes
    The connection must outlive the operation.
*/
net::awaitable<Result<std::vector<ParkedKey>>> take_unparks(
    Connection& connection, std::string outbox, int lane
);

}  // namespace resilience::postgres

#endif
