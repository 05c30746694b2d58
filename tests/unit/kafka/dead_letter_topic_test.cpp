// SPDX-License-Identifier: MIT
#include <resilience/kafka/dead_letter_topic.hpp>

#include <resilience/kafka/producer.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

using namespace resilience;

TEST_CASE("A consumer's dead letter is the record with the place it came from") {
    const kafka::Record record{
        .topic = "orders",
        .partition = 3,
        .offset = 41,
        .key = "k",
        .value = "v",
        .headers = {{"ce_id", "7"}, {"dead_letter_offset", "9"}}};
    const auto letter =
        kafka::dead_letter(record, fail(Errc::invalid_request, "no price"), ".dlq");
    CHECK(letter.topic == "orders.dlq");
    CHECK(letter.key == "k");
    CHECK(letter.value == "v");
    CHECK_FALSE(letter.partition.has_value());
    CHECK(
        letter.headers ==
        std::vector<Header>{
            {"ce_id", "7"},
            {"dead_letter_topic", "orders"},
            {"dead_letter_partition", "3"},
            {"dead_letter_offset", "41"},
            {"dead_letter_reason", "the request is invalid: no price"}}
    );
    const auto tombstone = kafka::dead_letter({.topic = "t"}, fail(Errc::internal), "-x");
    CHECK(tombstone.topic == "t-x");
    CHECK_FALSE(tombstone.key.has_value());
    CHECK_FALSE(tombstone.value.has_value());
}

TEST_CASE("The reason of a dead letter is cut between characters") {
    std::string words(990, 'x');
    words += "\xc3\xa4";
    Failure why{std::error_code{}, words};
    const auto letter = kafka::dead_letter({.topic = "t"}, why, ".dlq");
    const auto& reason = letter.headers.back().second;
    CHECK(reason.size() <= 1000);
    CHECK((static_cast<unsigned char>(reason.back()) & 0x80) == 0);
}

TEST_CASE("A dead letter topic is not the topic itself") {
    net::io_context io;
    kafka::Producer producer{io.get_executor(), {.brokers = "localhost:1"}};
    CHECK_THROWS_AS(kafka::DeadLetterTopic(producer, ""), std::invalid_argument);
}
