// SPDX-License-Identifier: MIT
#include <src/kafka/event_message.hpp>
#include <src/kafka/lane_message.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using resilience::Event;
using resilience::Header;
using resilience::LanePosition;
using resilience::kafka::detail::event_message;
using resilience::kafka::detail::lane_seq_of;
using resilience::kafka::detail::LaneMessage;
using resilience::kafka::detail::MessageView;
using resilience::kafka::detail::position_message;

std::vector<Header> headers_of(const MessageView& message) {
    return {message.headers.begin(), message.headers.end()};
}

std::vector<std::string> values_of(const MessageView& message, std::string_view name) {
    std::vector<std::string> values;
    for (const auto& header : message.headers) {
        if (header.first == name) values.emplace_back(header.second);
    }
    return values;
}

Event a_user() {
    return {
        .id = "018f0000-0000-7000-8000-000000000001",
        .aggregate_type = "user",
        .aggregate_id = "7",
        .event_type = "user.created",
        .event_data = "{}",
        .topic = "user-events",
        .partition_key = "tenant-3",
        .headers = {{"traceparent", "00-a-b-01"}}};
}

}  // namespace

TEST_CASE("events of a chunk are numbered without gaps up to the position's lane_seq") {
    // Ten events after number 90.
    for (std::size_t i = 0; i < 10; ++i) CHECK(lane_seq_of(100, i, 10) == 91 + i);
    CHECK(lane_seq_of(1, 0, 1) == 1);
}

TEST_CASE("a lane's message is the sink's and carries its lane and number") {
    auto event = a_user();
    event.created_at = resilience::WallClock::time_point{std::chrono::hours{24}};
    const auto plain = event_message(event, "/here", 2);
    LaneMessage messages{"/here", 3};
    const auto& message = messages.of(event, 2, 91);
    CHECK(message.key == plain.key);
    CHECK(message.value == plain.value);
    CHECK(message.partition == 2);
    CHECK_FALSE(message.timestamp.has_value());
    auto expected = plain.headers;
    expected.emplace_back("lane", "3");
    expected.emplace_back("lane_seq", "91");
    CHECK(headers_of(message) == expected);
}

TEST_CASE("nothing of an event is in the message of the next one") {
    auto first = a_user();
    first.created_at = resilience::WallClock::time_point{};
    const Event second{.id = "2", .aggregate_id = "8", .topic = "t"};
    LaneMessage messages{"/here", 3};
    messages.of(first, 2, 18'446'744'073'709'551'615U);
    const auto& message = messages.of(second, std::nullopt, 4);
    const auto plain = event_message(second, "/here");
    CHECK(message.key == "8");
    CHECK(message.value == "");
    CHECK_FALSE(message.partition.has_value());
    auto expected = plain.headers;
    expected.emplace_back("lane", "3");
    expected.emplace_back("lane_seq", "4");
    CHECK(headers_of(message) == expected);
}

TEST_CASE("an event cannot pretend another lane or number") {
    const Event event{
        .topic = "t",
        .headers = {{"lane", "9"}, {"LANE_SEQ", "8"}, {"Lane", "7"}, {"lanes", "6"}}};
    LaneMessage messages{"/here", 0};
    const auto& message = messages.of(event, std::nullopt, 5);
    CHECK(values_of(message, "lane") == std::vector<std::string>{"0"});
    CHECK(values_of(message, "lane_seq") == std::vector<std::string>{"5"});
    CHECK(values_of(message, "LANE_SEQ").empty());
    CHECK(values_of(message, "Lane").empty());
    CHECK(values_of(message, "lanes").size() == 1);
}

TEST_CASE("I1: a position goes to the partition of its lane under the lane's own key") {
    const LanePosition position{.seen = "1:1:", .window = "1:1:", .lane_seq = 4};
    const auto message = position_message(
        {.outbox = "orders", .lane = 3, .lanes = 4}, "positions", position
    );
    CHECK(message.topic == "positions");
    CHECK(message.key == "orders/3");
    CHECK(message.partition == 3);
    const auto decoded = resilience::decode_lane_position(*message.value);
    REQUIRE(decoded.has_value());
    CHECK(*decoded == position);
}
