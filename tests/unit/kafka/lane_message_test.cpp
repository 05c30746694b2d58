// SPDX-License-Identifier: MIT
#include <src/kafka/lane_message.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using resilience::Event;
using resilience::Header;
using resilience::LanePosition;
using resilience::kafka::detail::lane_message;
using resilience::kafka::detail::lane_seq_of;
using resilience::kafka::detail::position_message;

std::vector<Header> named(const std::vector<Header>& headers, const std::string& name) {
    std::vector<Header> found;
    std::ranges::copy_if(headers, std::back_inserter(found), [&](const Header& header) {
        return header.first == name;
    });
    return found;
}

}  // namespace

TEST_CASE("events of a chunk are numbered without gaps up to the position's lane_seq") {
    // Ten events after number 90.
    for (std::size_t i = 0; i < 10; ++i) CHECK(lane_seq_of(100, i, 10) == 91 + i);
    CHECK(lane_seq_of(1, 0, 1) == 1);
}

TEST_CASE("a lane's message is the sink's and carries its lane and number") {
    const Event event{
        .id = "018f0000-0000-7000-8000-000000000001",
        .aggregate_type = "user",
        .aggregate_id = "7",
        .event_type = "user.created",
        .event_data = "{}",
        .topic = "user-events",
        .partition_key = "tenant-3",
        .headers = {{"traceparent", "00-a-b-01"}}};
    const auto plain = resilience::kafka::detail::event_message(event, "/here", 2);
    const auto message = lane_message(event, "/here", 2, 3, 91);
    CHECK(message.topic == plain.topic);
    CHECK(message.key == plain.key);
    CHECK(message.value == plain.value);
    CHECK(message.partition == 2);
    auto expected = plain.headers;
    expected.emplace_back("lane", "3");
    expected.emplace_back("lane_seq", "91");
    CHECK(message.headers == expected);
}

TEST_CASE("an event cannot pretend another lane or number") {
    const Event event{
        .topic = "t",
        .headers = {{"lane", "9"}, {"LANE_SEQ", "8"}, {"Lane", "7"}, {"lanes", "6"}}};
    const auto message = lane_message(event, "/here", std::nullopt, 0, 5);
    CHECK(named(message.headers, "lane") == std::vector<Header>{{"lane", "0"}});
    CHECK(named(message.headers, "lane_seq") == std::vector<Header>{{"lane_seq", "5"}});
    CHECK(named(message.headers, "LANE_SEQ").empty());
    CHECK(named(message.headers, "Lane").empty());
    CHECK(named(message.headers, "lanes").size() == 1);
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
