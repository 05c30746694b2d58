// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_LANE_MESSAGE_HPP
#define RESILIENCE_SRC_KAFKA_LANE_MESSAGE_HPP

#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/lane_position.hpp>

#include "kafka/event_message.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::kafka::detail {

inline constexpr std::string_view lane_header = "lane";
inline constexpr std::string_view lane_seq_header = "lane_seq";

/// Whether two ASCII names differ in case at most.
constexpr bool is_same_name(std::string_view one, std::string_view other) noexcept {
    constexpr auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::ranges::equal(one, other, {}, lower, lower);
}

/// The number of event `index` of a chunk of `count` whose last one is `last`.
constexpr std::uint64_t lane_seq_of(
    std::uint64_t last, std::size_t index, std::size_t count
) noexcept {
    return last - count + 1 + index;
}

/// The message of an event, numbered within its lane.
inline Message lane_message(
    const Event& event,
    std::string_view source,
    std::optional<std::int32_t> partition,
    int lane,
    std::uint64_t lane_seq
) {
    auto message = event_message(event, source, partition);
    std::erase_if(message.headers, [](const Header& header) {
        return is_same_name(header.first, lane_header) ||
               is_same_name(header.first, lane_seq_header);
    });
    message.headers.emplace_back(lane_header, std::to_string(lane));
    message.headers.emplace_back(lane_seq_header, std::to_string(lane_seq));
    return message;
}

/// The key under which the lane's positions lie.
inline std::string position_key(const LaneProducerOptions& options) {
    return options.outbox + '/' + std::to_string(options.lane);
}

/// The record of a position.
inline Message position_message(
    const LaneProducerOptions& options, std::string topic, const LanePosition& position
) {
    return {
        .topic = std::move(topic),
        .key = position_key(options),
        .value = encode(position),
        .partition = options.lane};
}

}  // namespace resilience::kafka::detail

#endif
