// SPDX-License-Identifier: MIT
#include <modules/backing/events.hpp>

#include <host/config.hpp>

namespace resilience::modules::backing {

void declare(host::Config& config, EventSettings& settings) {
    config.topic("KAFKA_TOPIC", settings.topic, "Topic of events that name none");
    config.integer(
        "RELAY_MAX_RETRIES",
        settings.max_retries,
        0,
        1000,
        "Deliveries of an event tried again before it is given up; written with the event"
    );
    config.integer(
        "RELAY_LANES",
        settings.lanes,
        1,
        64,
        "Lanes that events are spread over by their keys, as many as the relays run"
    );
}

void leave_to_writers(host::Config& config) {
    config.not_used("KAFKA_TOPIC", "unified-server writes the topic with each event")
        .not_used("RELAY_MAX_RETRIES", "unified-server writes it with each event");
}

Outbox make_outbox(const EventSettings& settings) {
    return Outbox{
        {.topic = settings.topic,
         .max_retries = static_cast<std::int32_t>(settings.max_retries),
         .lanes = static_cast<std::int16_t>(settings.lanes)}};
}

}  // namespace resilience::modules::backing
