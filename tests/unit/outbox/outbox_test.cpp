// SPDX-License-Identifier: MIT
#include <resilience/outbox.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

using namespace resilience;

namespace {

// Whoever compiles with -Wextra may leave out what has a default, too.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wmissing-field-initializers"
Event user_created() {
    return {
        .aggregate_type = "user",
        .aggregate_id = "42",
        .event_type = "user.created",
        .event_data = R"({"email":"a@b.c"})"};
}
#pragma GCC diagnostic pop

std::string refusal(Event event, OutboxOptions options = {}) {
    const auto row = Outbox{options}.prepare(std::move(event));
    REQUIRE_FALSE(row.has_value());
    return row.error().detail;
}

// The transaction of somebody: what append() hands over is what it returns.
struct RecordingTransaction {};
Result<OutboxRow> append_row(RecordingTransaction&, Result<OutboxRow> row) { return row; }

}  // namespace

TEST_CASE("O5: append completes an event before it hands it to the transaction") {
    RecordingTransaction transaction;
    const auto row =
        Outbox{{.topic = "people", .max_retries = 7}}.append(transaction, user_created());
    REQUIRE(row.has_value());
    CHECK(Uuid::parse(row->event.id).has_value());
    CHECK(row->event.topic == "people");
    CHECK(row->event.partition_key == "42");
    CHECK(row->event.max_retries == 7);
    CHECK(row->event.created_at.has_value());
    CHECK(row->headers_json == "{}");
}

TEST_CASE("O5: what the caller set is kept") {
    auto event = user_created();
    event.id = "0190163d-8694-739b-aea5-966c26f8ad91";
    event.topic = "elsewhere";
    event.partition_key = "k";
    event.max_retries = 0;
    event.headers = {{"traceparent", "00-1"}, {"q", "\""}};
    const auto row = Outbox{}.prepare(event);
    REQUIRE(row.has_value());
    CHECK(row->event.id == event.id);
    CHECK(row->event.topic == "elsewhere");
    CHECK(row->event.partition_key == "k");
    CHECK(row->event.max_retries == 0);
    CHECK(row->headers_json == R"({"traceparent":"00-1","q":"\""})");
}

TEST_CASE("M12: ids of events differ") {
    std::set<std::string> ids;
    for (int i = 0; i < 1000; ++i) ids.insert(Outbox{}.prepare(user_created())->event.id);
    CHECK(ids.size() == 1000);
}

TEST_CASE("O5: a field that no row could hold is refused by name") {
    auto event = user_created();
    event.aggregate_type.clear();
    CHECK(refusal(event) == "aggregate_type: is empty");
    event = user_created();
    event.aggregate_id = std::string(256, 'x');
    CHECK(refusal(event) == "aggregate_id: is longer than 255 bytes");
    event = user_created();
    event.event_type = "\xff";
    CHECK(refusal(event).starts_with("event_type: "));
    event = user_created();
    event.partition_key = std::string("a\0b", 3);
    CHECK(refusal(event).starts_with("partition_key: "));
    event = user_created();
    event.topic = "a b/../c";
    CHECK(refusal(event) == "topic: is not 1 to 249 of A-Z a-z 0-9 . _ -");
    event = user_created();
    event.id = "17";
    CHECK(refusal(event) == "id: is not a UUID");
    event = user_created();
    event.max_retries = -1;
    CHECK(refusal(event) == "max_retries: is negative");
    event = user_created();
    event.headers = {{"", "v"}};
    CHECK(refusal(event) == "headers: is empty");
}

TEST_CASE("O5: event_data is one JSON text without NUL") {
    for (const std::string data :
         {"",
          "{",
          "{} {}",
          "nul",
          "{\"a\":\"\\u0000\"}",
          "{\"\\u0000\":1}",
          "\"\xff\""}) {
        auto event = user_created();
        event.event_data = data;
        CHECK_MESSAGE(refusal(event) == "event_data: is not JSON without NUL", data);
    }
    for (const std::string data : {"null", "[1,2.5e3]", " {\"a\": \"\\\\u0000\"} "}) {
        auto event = user_created();
        event.event_data = data;
        CHECK_MESSAGE(Outbox{}.prepare(event).has_value(), data);
    }
    auto event = user_created();
    CHECK(
        refusal(event, {.max_event_bytes = 3}) ==
        "event_data: is longer than 3 bytes, the limit of topic user-events"
    );
    CHECK(Outbox{{.max_event_bytes = 3}}.prepare(event).error() == Errc::too_large);
}

TEST_CASE("O5: event_data is measured as a jsonb column gives it back") {
    // What is written, and what PostgreSQL makes of it at most.
    const std::pair<std::string, std::size_t> texts[] = {
        {"[1,1]", 6},
        {" [ 1 , 1 ] ", 6},
        {R"({"a":1,"b,c:":[]})", 20},
        {R"(["\\",":","\"",","])", 22},
        {"1e400", 401},
        {"-1.5E+2", 4},
        {"25e-3", 5},
        {"100E-3", 5},
        {"1.50e1", 4},
        {"[true,null]", 12},
        {"0.5e0", 3},
    };
    for (const auto& expected : texts) {
        const auto& text = expected.first;
        const auto bytes = expected.second;
        CAPTURE(text);
        auto event = user_created();
        event.event_data = text;
        const auto limit = std::max(bytes, text.size());
        CHECK(Outbox{{.max_event_bytes = limit}}.prepare(event).has_value());
        if (bytes <= text.size()) continue;
        const auto row = Outbox{{.max_event_bytes = bytes - 1}}.prepare(event);
        REQUIRE_FALSE(row.has_value());
        CHECK(row.error() == Errc::too_large);
    }
    auto event = user_created();
    event.event_data = "[";
    for (int i = 0; i < 499'998; ++i) event.event_data += "1,";
    event.event_data += "1]";
    CHECK(event.event_data.size() < Outbox{}.options().max_event_bytes);
    CHECK(Outbox{}.prepare(event).error() == Errc::too_large);
    event.event_data = "[1e999999,1e-999999]";
    CHECK(Outbox{}.prepare(event).error() == Errc::too_large);
}

TEST_CASE("O5: headers that would not fit beside the largest content are refused") {
    auto event = user_created();
    event.headers = {{"a", std::string(32 * 1024 - 17, 'v')}};
    CHECK(Outbox{}.prepare(event).has_value());
    event.headers.emplace_back("b", "");
    CHECK(Outbox{}.prepare(event).error() == Errc::too_large);
    CHECK(refusal(event) == "headers: are longer than 32768 bytes");
}

TEST_CASE("a key stays in its lane, whatever the version of the library") {
    const auto lane_of = [](std::string key, std::int16_t lanes) {
        auto event = user_created();
        event.partition_key = std::move(key);
        return Outbox{{.lanes = lanes}}.prepare(event)->lane;
    };
    // FNV-1a of "a" is 0xaf63dc4c8601ec8c (the vector of its authors).
    CHECK(lane_of("a", 64) == 0x0c);
    CHECK(lane_of("a", 1) == 0);
    for (int i = 0; i < 100; ++i) {
        const auto lane = lane_of(std::to_string(i), 5);
        CHECK(lane >= 0);
        CHECK(lane < 5);
    }
}

TEST_CASE("O5: a topic may take less than others, or more, and is named with its limit") {
    const OutboxOptions options{
        .max_event_bytes = 20, .topic_max_event_bytes = {{"small", 4}, {"large", 40}}};
    const auto of = [](const char* topic, std::string data) {
        auto event = user_created();
        event.topic = topic;
        event.event_data = std::move(data);
        return event;
    };
    const std::string ten = R"("12345678")";
    const auto thirty = '"' + std::string(28, 'x') + '"';
    const Outbox outbox{options};
    CHECK(outbox.prepare(of("small", "1234")).has_value());
    CHECK(outbox.prepare(of("small", ten)).error() == Errc::too_large);
    CHECK(
        refusal(of("small", ten), options) ==
        "event_data: is longer than 4 bytes, the limit of topic small"
    );
    CHECK(
        refusal(of("small", "1e9"), options) ==
        "event_data: would come back from a jsonb column as more than 4 bytes, the limit "
        "of topic small"
    );
    CHECK(outbox.prepare(of("other", ten)).has_value());
    CHECK(
        refusal(of("other", thirty), options) ==
        "event_data: is longer than 20 bytes, the limit of topic other"
    );
    CHECK(outbox.prepare(of("large", thirty)).has_value());
    // The default topic has a limit of its own, too.
    CHECK(
        refusal(of("", ten), {.topic = "mail", .topic_max_event_bytes = {{"mail", 5}}}) ==
        "event_data: is longer than 5 bytes, the limit of topic mail"
    );
}

TEST_CASE("O5: where topics are known an event of no other is written") {
    const OutboxOptions options{.topic = "mail", .topics = {"mail", "orders"}};
    const Outbox outbox{options};
    auto event = user_created();
    CHECK(outbox.prepare(event)->event.topic == "mail");
    event.topic = "orders";
    CHECK(outbox.prepare(event).has_value());
    event.topic = "order";
    CHECK(outbox.prepare(event).error() == Errc::bad_destination);
    CHECK(refusal(event, options) == "topic: order is none that events may go to");
    CHECK(Outbox{}.prepare(event).has_value());
}

TEST_CASE("a bad outbox option is named") {
    for (const std::string& topic :
         {std::string{},
          std::string{"bad topic"},
          std::string{".."},
          std::string(250, 't')}) {
        CHECK_THROWS_WITH(
            Outbox{{.topic = topic}}, "topic: must be 1 to 249 of A-Z a-z 0-9 . _ -"
        );
    }
    CHECK_THROWS_WITH(Outbox{{.max_retries = -1}}, "max_retries: must not be negative");
    CHECK_THROWS_WITH(
        Outbox{{.max_event_bytes = 0}}, "max_event_bytes: must be positive"
    );
    CHECK_THROWS_WITH(Outbox{{.lanes = 65}}, "lanes: must be 1 to 64");
    const auto said = [](const OutboxOptions& options) -> std::string {
        try {
            const Outbox outbox{options};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return {};
    };
    CHECK(
        said({.topics = {"user-events", "a b"}}) == "topics: a b is not a topic's name"
    );
    CHECK(said({.topics = {"mail"}}) == "topic: user-events is none of topics");
    CHECK(
        said({.topic_max_event_bytes = {{"a b", 1}}}) ==
        "topic_max_event_bytes: a b is not a topic's name"
    );
    CHECK(
        said({.topic_max_event_bytes = {{"mail", 0}}}) ==
        "topic_max_event_bytes: mail must be positive"
    );
    CHECK(
        said({.topics = {"user-events"}, .topic_max_event_bytes = {{"mail", 1}}}) ==
        "topic_max_event_bytes: mail is none of topics"
    );
}
