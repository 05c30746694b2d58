// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LANES_LANE_HOLD_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LANES_LANE_HOLD_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

#include <resilience/kafka/lane_producer.hpp>
#include <resilience/postgres/lane_locks.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace resilience::modules::outbox_admin {

/** Lanes that this program has instead of a relay: it holds their locks, so that relays
    leave them alone, and was the last to take them over, so that nobody else can write
    (I7). Ends with the object.

    @par Thread safety
    None.

    @par Object lifetimes
    The tools must outlive it.
*/
class LaneHold {
public:
    explicit LaneHold(const Tools& tools);

    /** Takes the lanes, and waits until what others had under way is decided.

        @par Errors
        @li Errc::unavailable A relay runs. The detail says what to do.
        @li Those of LaneLocks and LaneProducer.
    */
    net::awaitable<Result<void>> take(std::vector<int> lanes);

    /// Where a lane is; none if it never had a position.
    const std::optional<LanePosition>& position(int lane) const {
        return lanes_.at(lane).position;
    }

    /** Delivers events, and then has the lane at `next`, which takes over its numbers:
        `batch_seq` and `lane_seq` are set here. May be without events.

        @par Errors
        Those of LaneProducer::commit; Errc::fenced also when the lane is no longer at
        @ref position, as somebody else had it meanwhile. Where an event is to blame,
        others can be delivered after it (@ref refusals); else nothing more can.
    */
    net::awaitable<Result<void>> commit(
        int lane, std::span<const WindowEvent> events, LanePosition next
    );

    /// The events for which the last commit of the lane failed.
    const std::vector<LaneRefusal>& refusals(int lane) const {
        return lanes_.at(lane).refusals;
    }

private:
    struct Lane {
        std::unique_ptr<resilience::kafka::LaneProducer> producer;
        std::optional<LanePosition> position;
        std::vector<LaneRefusal> refusals;
    };

    static net::awaitable<Result<void>> take_over_again(Lane& held);

    const Tools& tools_;
    resilience::postgres::LaneLocks locks_;
    std::map<int, Lane> lanes_;
};

}  // namespace resilience::modules::outbox_admin

#endif
