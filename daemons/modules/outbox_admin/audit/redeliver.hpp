// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_REDELIVER_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_REDELIVER_HPP

#include <modules/outbox_admin/audit/audit_ledger.hpp>
#include <modules/outbox_admin/audit/put_aside.hpp>
#include <modules/outbox_admin/lanes/lane_hold.hpp>
#include <modules/outbox_admin/outbox/tools.hpp>

#include <resilience/window_source.hpp>

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// What was delivered again.
struct Redelivered {
    /// Events, those that were put aside included.
    std::size_t sent = 0;
    std::size_t parked = 0;
    std::size_t dead_letters = 0;
    /// Rows that were left out, as their policy halts the lane.
    std::vector<HaltingRow> halting;
};

/** Delivers rows of lanes again, which a program holds instead of a relay.

    An event that its topic never takes goes where the policy of its topic says, as a
    relay would send it: `RELAY_POISON`, `RELAY_POISON_TOPICS`. With `halt_lane` it is
    left out, and listed.

    @par Thread safety
    None.

    @par Object lifetimes
    What it is made of must outlive it.
*/
class Redelivery {
public:
    Redelivery(const Tools& tools, WindowSource& source, LaneHold& hold);

    /// What becomes of the rest of a lane behind a row that halts it.
    enum class Rest : std::uint8_t { is_delivered, waits };

    /** Delivers rows of one lane in transactions with its position.

        @param due By `seq`.
        @param snapshot Shows all of them.
        @param between The position of the lane meanwhile; counts the events of its parked
            keys, and adds keys that are parked from here on.
        @return Whether all rows were looked at: none waits behind one that halts.

        @par Errors
        @li Errc::not_found A row is no longer in the table.
        @li Those of the source and the hold. What was sent before stays.
    */
    net::awaitable<Result<bool>> lane(
        int lane,
        std::span<const DueRow> due,
        const std::string& snapshot,
        LanePosition& between,
        Rest rest
    );

    const Redelivered& done() const noexcept { return done_; }

private:
    net::awaitable<Result<void>> deliver(
        int lane, std::vector<WindowEvent> rows, LanePosition& between, Rest rest
    );
    bool learn(
        const Failure& why,
        const std::vector<LaneRefusal>& refusals,
        const std::vector<WindowEvent>& events
    );

    WindowSource& source_;
    LaneHold& hold_;
    Poison poison_;
    Redelivered done_;
    std::map<std::int64_t, Failure> refused_;
    bool waits_ = false;
};

}  // namespace resilience::modules::outbox_admin

#endif
