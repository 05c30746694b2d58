// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_EVENT_MESSAGE_HPP
#define RESILIENCE_SRC_KAFKA_EVENT_MESSAGE_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/event.hpp>
#include <resilience/kafka/message.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::kafka::detail {

/** The message of an event, in the binary mode of CloudEvents. Pure.

    It has no timestamp: a topic's retention counts from there, and an event that waited
    or is sent again must not be removed at once. `ce_time` says when it happened.
*/
inline Message event_message(
    const Event& event,
    std::string_view source,
    std::optional<std::int32_t> partition = std::nullopt
) {
    return {
        .topic = event.topic,
        .key = std::string{ordering_key(event)},
        .value = event.event_data,
        .headers = cloud_event_headers(event, source),
        .partition = partition};
}

}  // namespace resilience::kafka::detail

#endif
