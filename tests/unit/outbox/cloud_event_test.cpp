// SPDX-License-Identifier: MIT
#include <resilience/cloud_event.hpp>
#include <resilience/detail/rfc3339.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr WallClock::time_point moment =
    std::chrono::sys_days{std::chrono::year{2026} / 1 / 31} + 23h + 59min + 58s + 1200us;

Event user_created() {
    return {
        .id = "0190163d-8694-739b-aea5-966c26f8ad91",
        .aggregate_type = "user",
        .aggregate_id = "42",
        .event_type = "user.created",
        .event_data = R"({"email":"a@b.c"})",
        .topic = "user-events",
        .partition_key = "k",
        .created_at = moment};
}

}  // namespace

TEST_CASE("M12: binary mode names the attributes ce_*, then the event's own headers") {
    auto event = user_created();
    event.headers = {{"traceparent", "00-1"}, {"why", "because"}};
    CHECK(
        cloud_event_headers(event, "/shop") ==
        std::vector<Header>{
            {"ce_specversion", "1.0"},
            {"ce_id", event.id},
            {"ce_source", "/shop"},
            {"ce_type", "user.created"},
            {"ce_subject", "42"},
            {"ce_time", "2026-01-31T23:59:58.001200Z"},
            {"content-type", "application/json"},
            {"traceparent", "00-1"},
            {"why", "because"}}
    );
}

TEST_CASE("M12: a header of the event never takes the place of an attribute") {
    auto event = user_created();
    event.headers = {
        {"ce_id", "x"}, {"CE_Type", "x"}, {"Content-Type", "x"}, {"ce_dataschema", "y"}};
    const auto headers = cloud_event_headers(event, "/s");
    CHECK(headers.size() == 8);
    CHECK(headers.back() == Header{"ce_dataschema", "y"});
    const auto json = boost::json::parse(cloud_event_json(event, "/s"));
    CHECK(boost::json::serialize(json.at("headers")) == R"({"ce_dataschema":"y"})");
}

TEST_CASE("M12: an event without a time has no ce_time") {
    auto event = user_created();
    event.created_at.reset();
    for (const auto& [name, value] : cloud_event_headers(event, "/s")) {
        CHECK(name != "ce_time");
    }
    CHECK_FALSE(
        boost::json::parse(cloud_event_json(event, "/s")).as_object().contains("time")
    );
}

TEST_CASE("M12: the JSON format is one line with the data embedded") {
    auto event = user_created();
    event.event_data = "{\r\n \"n\": 1.50,\n \"t\": \"a\\nb\"\n}";
    event.headers = {{"traceparent", "00-1"}, {"q", "\"\n"}};
    const auto line = cloud_event_json(event, "/resilience/outbox");
    CHECK(
        line ==
        R"({"specversion":"1.0","id":"0190163d-8694-739b-aea5-966c26f8ad91",)"
        R"("source":"/resilience/outbox","type":"user.created","subject":"42",)"
        R"("time":"2026-01-31T23:59:58.001200Z","datacontenttype":"application/json",)"
        R"("topic":"user-events","partitionkey":"k","traceparent":"00-1",)"
        R"("headers":{"q":"\"\n"},"data":{   "n": 1.50,  "t": "a\nb" }})"
    );
    CHECK(boost::json::parse(line).at("data") == boost::json::parse(event.event_data));
}

TEST_CASE("an event without a partition key is ordered by its aggregate") {
    auto event = user_created();
    CHECK(ordering_key(event) == "k");
    event.partition_key.reset();
    CHECK(ordering_key(event) == "42");
    event.partition_key = "";
    CHECK(ordering_key(event).empty());
}

TEST_CASE("a moment survives its text to the microsecond") {
    using detail::format_rfc3339;
    using detail::parse_rfc3339;
    for (const auto time :
         {moment,
          WallClock::time_point{},
          WallClock::time_point{-1us},
          WallClock::time_point{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}},
          WallClock::time_point{
              std::chrono::sys_days{std::chrono::year{2261} / 12 / 31}}}) {
        const auto text = format_rfc3339(time);
        CHECK_MESSAGE(parse_rfc3339(text) == time, text);
    }
    CHECK(format_rfc3339(WallClock::time_point{-1ns}) == "1969-12-31T23:59:59.999999Z");
    CHECK(parse_rfc3339("1970-01-01T00:00:01Z") == WallClock::time_point{1s});
    CHECK(parse_rfc3339("1970-01-01T00:00:00.5Z") == WallClock::time_point{500ms});
    CHECK(parse_rfc3339("1970-01-01T00:00:00.000000001Z") == WallClock::time_point{1ns});
}

TEST_CASE("what is no moment is refused") {
    for (const char* text :
         {"",
          "Z",
          "1970-01-01",
          "1970-01-01T00:00:00",
          "1970-01-01 00:00:00Z",
          "1970-01-01T00:00:00+00:00",
          "1970-13-01T00:00:00Z",
          "1970-02-29T00:00:00Z",
          "1970-01-01T24:00:00Z",
          "1970-01-01T00:60:00Z",
          "1970-01-01T00:00:60Z",
          "1970-01-01T00:00:00.Z",
          "1970-01-01T00:00:00.1234567890Z",
          "1970-01-01T00:00:00.12x4Z",
          "1970-01-01T00:00:00xZ",
          "197x-01-01T00:00:00Z",
          "9999-01-01T00:00:00Z",
          "0000-01-01T00:00:00Z"}) {
        CHECK_MESSAGE(!detail::parse_rfc3339(text).has_value(), text);
    }
}
