// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_MESSAGE_VIEW_HPP
#define RESILIENCE_SRC_KAFKA_MESSAGE_VIEW_HPP

#include <resilience/clock.hpp>
#include <resilience/detail/cloud_event_fields.hpp>
#include <resilience/kafka/message.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace resilience::kafka::detail {

using resilience::detail::HeaderView;

/// A @ref Message whose bytes somebody else keeps, without its topic.
struct MessageView {
    std::optional<std::string_view> key;
    std::optional<std::string_view> value;
    std::vector<HeaderView> headers;
    std::optional<std::int32_t> partition;
    std::optional<WallClock::time_point> timestamp;
};

/// What `message` says, as long as it is there.
inline MessageView view_of(const Message& message) {
    return {
        .key = message.key,
        .value = message.value,
        .headers = {message.headers.begin(), message.headers.end()},
        .partition = message.partition,
        .timestamp = message.timestamp};
}

}  // namespace resilience::kafka::detail

#endif
