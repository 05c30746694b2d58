// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LANES_CHANGE_LANES_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LANES_CHANGE_LANES_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Declares `count --yes --rows-at-once`.
void declare_lanes_command(host::Config& config, Request& request);

/** Changes how many lanes an outbox has. `RELAY_LANES` says how many it had.

    A key is in one lane as long as nobody changes their number: then it may be in
    another, and its order would be lost if events of it were still on their way in the
    first one. So all lanes stop at one snapshot behind which nothing is:

    @li All lanes, old and new, are held and taken over (I7); relays that run are not
        ended but refused.
    @li A snapshot is awaited for which every transaction is over that has written by
        then, and gated (I6).
    @li What it shows must be delivered, by each lane's position (I3); else the change is
        refused, and relays have to catch up first (I1: positions are never moved over
        rows that were not delivered).
    @li Each lane gets a position at that snapshot. It means the same rows as the one
        before (I4), so relays could still go on as they were.
    @li If lanes go, their rows, all delivered, are moved to lanes that stay. The snapshot
        of these shows them, so that they count as delivered there too (I9 included). Not
        before: to a lane that is not at the snapshot they would be new.
    @li Each lane gets a position with the next `map_version`, new lanes first. From then
        on a relay with the old number refuses to run.

    A change that was killed is simply run again: between any two of these steps no row is
    delivered twice or left out, and relays go on only if all lanes have one
    `map_version`.

    Rows that are written by programs with the old number after the snapshot are delivered
    once, by the lane that they name; the order of their keys holds only if no such
    program writes beside those with the new number. A lane that is gone and written to
    again ends the start of relays with a sentence.

    @par Errors
    @li Errc::unavailable Relays run, transactions are in progress, or events wait. The
        detail says what to do.
    @li Errc::history_changed A position speaks of another source.
    @li Errc::bad_destination The position topic has too few partitions.
*/
net::awaitable<Result<Report>> change_lanes(const Tools& tools);

}  // namespace resilience::modules::outbox_admin

#endif
