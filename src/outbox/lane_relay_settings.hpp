// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LANE_RELAY_SETTINGS_HPP
#define RESILIENCE_SRC_OUTBOX_LANE_RELAY_SETTINGS_HPP

#include <resilience/lane_relay.hpp>

#include <optional>

namespace resilience::detail {

/// @throws std::invalid_argument Names the option that is out of range.
LaneRelayOptions checked(LaneRelayOptions options);

/** Where a lane goes on: at the position that was found, or at its first. Pure.

    @par Errors
    @li Errc::history_changed The position is of another source, or there is none where
        one is known to have been (I11).
    @li Errc::invalid_request The position is of another assignment of lanes.
*/
Result<LanePosition> begin_lane(
    const LaneRelayOptions& options,
    const SourceIdentity& source,
    const std::optional<LanePosition>& found
);

}  // namespace resilience::detail

#endif
