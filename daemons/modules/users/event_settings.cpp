// SPDX-License-Identifier: MIT
#include <modules/users/event_settings.hpp>

#include <host/config.hpp>

#include <stdexcept>

namespace resilience::modules::users {

void declare(host::Config& config, EventSettings& settings) {
    config.string("KAFKA_TOPIC", settings.topic, "Topic of the events of users");
    config.integer(
        "RELAY_MAX_RETRIES",
        settings.max_retries,
        0,
        1000,
        "Deliveries of an event tried again before it is given up; written with the event"
    );
}

Outbox make_outbox(const EventSettings& settings) {
    if (settings.topic.empty() || settings.topic.size() > 249) {
        throw std::invalid_argument("KAFKA_TOPIC: must have 1 to 249 bytes");
    }
    return Outbox{
        {.topic = settings.topic,
         .max_retries = static_cast<std::int32_t>(settings.max_retries)}};
}

}  // namespace resilience::modules::users
