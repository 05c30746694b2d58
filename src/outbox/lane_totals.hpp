// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LANE_TOTALS_HPP
#define RESILIENCE_SRC_OUTBOX_LANE_TOTALS_HPP

#include <resilience/lane_relay.hpp>

namespace resilience::detail {

/** What all runs of a lane come to, `run` being the last one. Pure.

    Counters are added up. Of the rest the last run tells, or those before it if it has
    not come so far. A run that has not delivered anything yet does not hide that the one
    before it failed: the failure, its reason and its time are shown until the lane runs
    or is stopped.
*/
LaneRelaySnapshot add_run(const LaneRelaySnapshot& past, const LaneRelaySnapshot& run);

}  // namespace resilience::detail

#endif
