// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_EVENT_SETTINGS_HPP
#define RESILIENCE_MODULES_USERS_EVENT_SETTINGS_HPP

#include <resilience/outbox.hpp>

#include <cstdint>
#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::modules::users {

/// Settings of the events that a program writes.
struct EventSettings {
    /// Where the events go (M14). Default `user-events`.
    std::string topic = "user-events";
    /// Deliveries tried again before an event is FAILED (M15). Written with each event,
    /// where it wins over the setting of the relay (X6). 0 to 1,000; default 3.
    std::int64_t max_retries = 3;
};

/// Declares `KAFKA_TOPIC` and `RELAY_MAX_RETRIES`.
void declare(host::Config& config, EventSettings& settings);

/// @throws std::invalid_argument Names the setting that is out of range.
Outbox make_outbox(const EventSettings& settings);

}  // namespace resilience::modules::users

#endif
