// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/letters/dead_letters.hpp>
#include <modules/outbox_admin/letters/marks.hpp>
#include <modules/outbox_admin/letters/replay.hpp>

#include <boost/asio/io_context.hpp>

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
    auto letter = *dead_letter_of(record());
    letter.record.headers.emplace_back("parked_since", "3");
    letter.record.headers.emplace_back("parked_number", "1");
    const auto message = replay_of(letter);
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

TEST_CASE("marks end with the letters that the topic no longer keeps, and no others") {
    using kafka::PartitionProgress;
    const Marks marks{
        {"o/replayed/t.dlq/0/9", "a"},
        {"o/replayed/t.dlq/0/10", "b"},
        {"o/replayed/t.dlq/0/x", "c"},
        {"o/replayed/t.dlq/1/3", "d"},
        {"o/replayed/u.dlq/0/3", "e"}};
    const std::vector<PartitionProgress> partitions{
        {.partition = {"t.dlq", 0}, .low = 10}, {.partition = {"t.dlq", 1}, .low = 3}};
    const auto removed = marks_of_removed(marks, "o", partitions);
    REQUIRE(removed.size() == 1);
    CHECK(removed[0].key == "o/replayed/t.dlq/0/9");
    CHECK_FALSE(removed[0].value.has_value());
    CHECK(marks_of_removed(marks, "p", partitions).empty());
    CHECK(marks_of_removed(marks, "o", {}).empty());
}

TEST_CASE("a transaction of a replay is given up by the broker within seconds") {
    using namespace std::chrono_literals;
    Request request;
    request.kafka = {.use_kafka = true, .brokers = "b:1"};
    request.database.use_postgres = true;
    request.relay.outbox = "o";
    net::io_context io;
    const Tools tools{io.get_executor(), request};
    const auto options = replay_transactions(tools);
    CHECK(options.transactional_id == "resilience.o.replay");
    // No lane waits for what is open in it.
    CHECK(options.mark_topic == "resilience.o.position.marks");
    CHECK(options.transaction_timeout <= 6s);
    const auto connection = replay_connection({.brokers = "b"});
    CHECK(connection.socket_timeout < options.transaction_timeout);
    CHECK(connection.request_timeout <= connection.socket_timeout);
}

TEST_CASE("the size of a record is that of key, value and headers") {
    CHECK(size_of({}) == 0);
    const Record one{.topic = "t", .key = "k", .value = "vv", .headers = {{"a", "bc"}}};
    CHECK(size_of(one) == 6);
}
