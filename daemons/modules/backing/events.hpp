// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_EVENTS_HPP
#define RESILIENCE_MODULES_BACKING_EVENTS_HPP

#include <resilience/outbox.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
    /// Topics that events may go to, as @ref read_event_topics takes them. Default: any.
    std::string topics;
};

/// Topics that events may go to, and which of them take contents of another size.
struct EventTopics {
    decltype(OutboxOptions::topics) names;
    decltype(OutboxOptions::topic_max_event_bytes) max_event_bytes;
};

/// Reads `topic` and `topic=bytes`, separated by commas; none when the text is not of
/// this form, or names a topic twice.
std::optional<EventTopics> read_event_topics(std::string_view text);

/// Declares `KAFKA_TOPIC`, `EVENT_TOPICS`, `RELAY_MAX_RETRIES` and `RELAY_LANES`.
void declare(host::Config& config, EventSettings& settings);

/// For a program that writes no events: one environment may serve all, so the variables
/// are no mistake there, but a note says that they do nothing.
void leave_to_writers(host::Config& config);

/// @throws std::invalid_argument Names the setting that is out of range.
Outbox make_outbox(const EventSettings& settings);

}  // namespace resilience::modules::backing

#endif
