// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_EVENTS_HPP
#define RESILIENCE_MODULES_BACKING_EVENTS_HPP

#include <resilience/outbox.hpp>

#include <cstdint>
#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::modules::backing {

/// What a program writes with each event.
struct EventSettings {
    /// Where events go that name no topic (M14). Default `user-events`.
    std::string topic = "user-events";
    /// Deliveries tried again before an event is FAILED (M15): the event's own number
    /// wins (X6). 0 to 1,000; default 3.
    std::int64_t max_retries = 3;
    /// Lanes that keys are spread over, as many as the relays run. 1 to 64; default 4.
    std::int64_t lanes = 4;
};

/// Declares `KAFKA_TOPIC`, `RELAY_MAX_RETRIES` and `RELAY_LANES`.
void declare(host::Config& config, EventSettings& settings);

/// For a program that writes no events: one environment may serve all, so the variables
/// are no mistake there, but a note says that they do nothing.
void leave_to_writers(host::Config& config);

/// @throws std::invalid_argument Names the setting that is out of range.
Outbox make_outbox(const EventSettings& settings);

}  // namespace resilience::modules::backing

#endif
