// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PUT_ASIDE_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PUT_ASIDE_HPP

#include <resilience/lane_position.hpp>
#include <resilience/window_source.hpp>

#include <cstddef>
#include <vector>

namespace resilience::modules::outbox_admin {

/** Turns those of the events whose keys are parked into parked events, as a relay does:
    none may come to its topic before those that are there already. Pure.

    @param parked The keys that the lane's position holds; counts them.
    @return How many were turned.
*/
std::size_t put_aside(std::vector<WindowEvent>& events, std::vector<ParkedKey>& parked);

}  // namespace resilience::modules::outbox_admin

#endif
