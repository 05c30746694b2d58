// SPDX-License-Identifier: MIT
#include <src/kafka/event_message.hpp>

#include <resilience/kafka/producer_options.hpp>
#include <resilience/outbox.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace {

using resilience::Event;
using resilience::Header;
using resilience::kafka::detail::event_message;

Event an_event() {
    return {
        .id = "018f0000-0000-7000-8000-000000000001",
        .aggregate_type = "user",
        .aggregate_id = "7",
        .event_type = "user.created",
        .event_data = R"({"name":"x"})",
        .topic = "user-events",
        .partition_key = "tenant-3",
        .headers = {{"traceparent", "00-a-b-01"}}};
}

}  // namespace

TEST_CASE("O8: the key of a message is the partition key, its value the event's data") {
    const auto message = event_message(an_event(), "/here");
    CHECK(message.topic == "user-events");
    CHECK(message.key == "tenant-3");
    CHECK(message.value == R"({"name":"x"})");
    CHECK_FALSE(message.partition.has_value());
    CHECK_FALSE(message.timestamp.has_value());
}

TEST_CASE("O8: an event without a partition key goes by its aggregate's id") {
    auto event = an_event();
    event.partition_key.reset();
    CHECK(event_message(event, "/here", 3).key == "7");
    CHECK(event_message(event, "/here", 3).partition == 3);
}

TEST_CASE("M12: a message carries the CloudEvents headers and the event's own") {
    const auto message = event_message(an_event(), "/here");
    const auto has = [&](const char* name, const char* value) {
        return std::ranges::find(message.headers, Header{name, value}) !=
               message.headers.end();
    };
    CHECK(has("ce_specversion", "1.0"));
    CHECK(has("ce_id", "018f0000-0000-7000-8000-000000000001"));
    CHECK(has("ce_source", "/here"));
    CHECK(has("ce_type", "user.created"));
    CHECK(has("ce_subject", "7"));
    CHECK(has("content-type", "application/json"));
    CHECK(has("traceparent", "00-a-b-01"));
}

TEST_CASE("O5: the largest event that an outbox accepts fits into a message") {
    const resilience::OutboxOptions limits;
    const std::string name(255, 'n');
    auto event = an_event();
    event.aggregate_type = event.aggregate_id = event.event_type = name;
    event.partition_key = name;
    event.event_data = '"' + std::string(limits.max_event_bytes - 2, 'x') + '"';
    // As many short ones as there may be: they cost most besides their names.
    event.headers.assign(limits.max_header_bytes / 17, {"h", ""});
    const auto row = resilience::Outbox{}.prepare(event);
    REQUIRE(row.has_value());
    const auto message = event_message(row->event, "/resilience/outbox");
    auto bytes = message.key->size() + message.value->size();
    for (const auto& header : message.headers) {
        bytes += header.first.size() + header.second.size() + 16;
    }
    CHECK(bytes <= resilience::kafka::ProducerOptions{}.max_message_bytes);
}
