// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_GROUP_OPTIONS_HPP
#define RESILIENCE_LANE_GROUP_OPTIONS_HPP

#include <resilience/lane_relay_options.hpp>
#include <resilience/retry_policy.hpp>

#include <chrono>
#include <cstdint>

namespace resilience {

/// Settings of a @ref LaneGroup.
struct LaneGroupOptions {
    /// How many lanes the outbox has, the same for every instance and for whoever writes
    /// (`OutboxOptions::lanes`). 1 to 64; default 4.
    int lanes = 4;

    /// Those of each lane; the group sets `lane`, and `seed` unless that is given.
    LaneRelayOptions relay{};

    /// Wait between two looks at who has which lanes: how long a lane whose owner has
    /// gone may stand still. 10 ms to 60 s; default 200 ms.
    std::chrono::milliseconds look_interval{200};

    /// Waits before a lane is run again whose run has failed, as when another owner took
    /// it over, and before the next look after one that has failed. `attempts` is not
    /// used: a group goes on until it is stopped. A run that was longer than `cap` makes
    /// up for the failures before it.
    RetryOptions compete{
        .base = std::chrono::milliseconds{200}, .cap = std::chrono::seconds{5}};

    /// Seed of the jitter; 0 takes one from the system.
    std::uint64_t seed = 0;
};

}  // namespace resilience

#endif
