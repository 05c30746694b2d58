// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_OWNERSHIP_HPP
#define RESILIENCE_LANE_OWNERSHIP_HPP

#include <resilience/asio/result.hpp>
#include <resilience/lane_plan.hpp>

#include <boost/asio/awaitable.hpp>

namespace resilience {

/** Which instance runs which lanes.

    It is for liveness alone: it may be wrong for a while, and then two instances have the
    same lane and fence each other (I7), but neither delivers what the other did.

    @par Contract
    @li `look` joins, unless it has joined, and tells what there is.
    @li `take` succeeds with true for one instance at most, until that one gives the lane
        up, leaves, or its connection is known to be gone; with false, another has it.
    @li After any failure, and after `leave`, this instance has nothing: it is no member
        and holds no lane. The next `look` joins anew.

    @par Cancellation
    `terminal`. It counts as a failure.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    Must outlive its operations.
*/
class LaneOwnership {
public:
    virtual ~LaneOwnership() = default;

    virtual net::awaitable<Result<LaneCensus>> look() = 0;

    virtual net::awaitable<Result<bool>> take(int lane) = 0;

    /// Lets others have a lane that this instance holds.
    virtual net::awaitable<Result<void>> give_up(int lane) = 0;

    /// Gives everything up, at once. Never waits.
    virtual void leave() = 0;
};

}  // namespace resilience

#endif
