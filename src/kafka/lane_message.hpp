// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_LANE_MESSAGE_HPP
#define RESILIENCE_SRC_KAFKA_LANE_MESSAGE_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/detail/rfc3339.hpp>
#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/lane_position.hpp>

#include "kafka/message_view.hpp"

#include <algorithm>
#include <array>
#include <charconv>
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

/** Makes the messages of a lane's events, one after the other.

    As @ref event_message does, with two headers more, but of the event's own bytes and in
    memory that is used again: making one allocates nothing once there was one like it.
*/
class LaneMessage {
public:
    /// @param source The `source` attribute of the events.
    LaneMessage(std::string source, int lane)
        : source_(std::move(source)), lane_(std::to_string(lane)) {}

    LaneMessage(const LaneMessage&) = delete;
    LaneMessage& operator=(const LaneMessage&) = delete;

    /// The message of `event`, event number `lane_seq` of its lane. Good until the next
    /// call and as long as the event is there.
    const MessageView& of(
        const Event& event, std::optional<std::int32_t> partition, std::uint64_t lane_seq
    ) {
        time_.clear();
        if (event.created_at) resilience::detail::write_rfc3339(*event.created_at, time_);
        auto& headers = view_.headers;
        headers.clear();
        resilience::detail::append_cloud_event_fields(event, source_, time_, headers);
        std::erase_if(headers, [](const HeaderView& header) {
            return is_same_name(header.first, lane_header) ||
                   is_same_name(header.first, lane_seq_header);
        });
        headers.emplace_back(lane_header, lane_);
        const auto end = std::to_chars(seq_.data(), seq_.data() + seq_.size(), lane_seq);
        headers.emplace_back(lane_seq_header, std::string_view{seq_.data(), end.ptr});
        view_.key = ordering_key(event);
        view_.value = event.event_data;
        view_.partition = partition;
        return view_;
    }

private:
    const std::string source_;
    const std::string lane_;
    std::string time_;
    std::array<char, 20> seq_{};
    MessageView view_;
};

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
