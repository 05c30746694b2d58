// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/dead_letters.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace resilience;
using namespace resilience::modules::outbox_admin;
using kafka::Record;

namespace {

Record record() {
    return {
        .topic = "t.dlq",
        .partition = 2,
        .offset = 9,
        .key = "k",
        .value = "{}",
        .headers = {
            {"ce_id", "e"},
            {"mine", "1"},
            {"dead_letter_topic", "t"},
            {"dead_letter_reason", "why"},
            {"dead_letter_seq", "4"},
            {"lane", "0"},
            {"lane_seq", "7"}}};
}

}  // namespace

TEST_CASE("a dead letter is known by its headers") {
    const auto letter = dead_letter_of(record());
    REQUIRE(letter.has_value());
    CHECK(letter->event == "e");
    CHECK(letter->topic == "t");
    CHECK(letter->reason == "why");
    CHECK(letter->place() == "t.dlq/2/9");
    CHECK_FALSE(letter->is_left_out);
    auto other = record();
    other.headers[2].second = "not a topic";
    CHECK_FALSE(dead_letter_of(other).has_value());
    other.headers.erase(other.headers.begin() + 2);
    CHECK_FALSE(dead_letter_of(other).has_value());
    other = record();
    other.headers.erase(other.headers.begin());
    CHECK_FALSE(dead_letter_of(other).has_value());
    other = record();
    other.headers.emplace_back("dead_letter_content", "left out");
    CHECK(dead_letter_of(other)->is_left_out);
}

TEST_CASE("a dead letter is replayed as the event was meant to be, without a number") {
    const auto message = replay_of(*dead_letter_of(record()));
    CHECK(message.topic == "t");
    CHECK(message.key == "k");
    CHECK(message.value == "{}");
    CHECK_FALSE(message.partition.has_value());
    CHECK(
        message.headers ==
        std::vector<Header>{
            {"ce_id", "e"}, {"mine", "1"}, {"resilience-replayed", "t.dlq/2/9"}}
    );
}

TEST_CASE("a letter counts as replayed by its place and its event together") {
    const auto one = *dead_letter_of(record());
    auto other = one;
    ++other.record.offset;
    const auto mark = mark_of("o", one);
    CHECK(mark.key == "o/replayed/t.dlq/2/9");
    CHECK(mark.value == "e");
    const Marks marks{{mark.key, *mark.value}};
    CHECK(is_replayed(marks, "o", one));
    CHECK_FALSE(is_replayed(marks, "p", one));
    CHECK_FALSE(is_replayed(marks, "o", other));
    // The topic was made anew, and has another event at the place.
    other = one;
    other.event = "f";
    CHECK_FALSE(is_replayed(marks, "o", other));
}

TEST_CASE("the size of a record is that of key, value and headers") {
    CHECK(size_of({}) == 0);
    const Record one{.topic = "t", .key = "k", .value = "vv", .headers = {{"a", "bc"}}};
    CHECK(size_of(one) == 6);
}
