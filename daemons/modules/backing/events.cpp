// SPDX-License-Identifier: MIT
#include <modules/backing/events.hpp>

#include <host/config.hpp>
#include <modules/backing/named_values.hpp>

#include <resilience/event.hpp>

#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace resilience::modules::backing {

void declare(host::Config& config, EventSettings& settings) {
    config.topic("KAFKA_TOPIC", settings.topic, "Topic of events that name none");
    config.string(
        "EVENT_TOPICS",
        settings.topics,
        "Topics that events may go to, and the largest content in bytes of those that do "
        "not take 1000000, as user-events,mail=20000; default: any",
        [](std::string_view text) -> std::string {
            return read_event_topics(text) ? ""
                                           : "topic or topic=bytes, separated by commas";
        }
    );
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
        .not_used("EVENT_TOPICS", "unified-server checks each event by it")
        .not_used("RELAY_MAX_RETRIES", "unified-server writes it with each event");
}

std::optional<EventTopics> read_event_topics(std::string_view text) {
    EventTopics topics;
    for (const auto& [name, size] : read_named_values(text)) {
        if (!is_topic_name(name) || !topics.names.emplace(name).second) {
            return std::nullopt;
        }
        if (!size) continue;
        std::size_t bytes = 0;
        const auto end = size->data() + size->size();
        const auto read = std::from_chars(size->data(), end, bytes);
        if (read.ec != std::errc{} || read.ptr != end || bytes == 0) return std::nullopt;
        topics.max_event_bytes.emplace(name, bytes);
    }
    return topics;
}

Outbox make_outbox(const EventSettings& settings) {
    auto topics = read_event_topics(settings.topics);
    if (!topics) throw std::invalid_argument("EVENT_TOPICS: names no topics");
    if (!topics->names.empty() && !topics->names.contains(settings.topic)) {
        throw std::invalid_argument(
            "EVENT_TOPICS: " + settings.topic + " is missing, which KAFKA_TOPIC names"
        );
    }
    return Outbox{
        {.topic = settings.topic,
         .max_retries = static_cast<std::int32_t>(settings.max_retries),
         .lanes = static_cast<std::int16_t>(settings.lanes),
         .topics = std::move(topics->names),
         .topic_max_event_bytes = std::move(topics->max_event_bytes)}};
}

}  // namespace resilience::modules::backing
