// SPDX-License-Identifier: MIT
#include <src/kafka/configuration.hpp>

#include <resilience/kafka/kafka_sink.hpp>
#include <resilience/kafka/producer.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

namespace {

using namespace resilience::kafka;
using namespace std::chrono_literals;
using detail::producer_settings;
using resilience::is_topic_name;

std::map<std::string, std::string> settings_of(const ProducerOptions& options) {
    const auto settings = producer_settings(options);
    return {settings.begin(), settings.end()};
}

void check_refused(
    const std::string& field, const std::function<void(ProducerOptions&)>& change
) {
    CAPTURE(field);
    ProducerOptions options{.brokers = "localhost:9092"};
    change(options);
    try {
        producer_settings(options);
        FAIL("not refused");
    } catch (const std::invalid_argument& error) {
        CHECK(std::string{error.what()}.starts_with(field + ": "));
    }
}

}  // namespace

TEST_CASE("O8: the producer is idempotent, without gaps, and agrees with Java") {
    auto settings = settings_of({.brokers = "a:1,b:2"});
    CHECK(settings["bootstrap.servers"] == "a:1,b:2");
    CHECK(settings["enable.idempotence"] == "true");
    CHECK(settings["enable.gapless.guarantee"] == "true");
    CHECK(settings["acks"] == "all");
    CHECK(settings["partitioner"] == "murmur2_random");
    CHECK(settings["message.timeout.ms"] == "0");
    CHECK(settings["socket.nagle.disable"] == "true");
    CHECK(settings["compression.codec"] == "lz4");
    CHECK(settings["linger.ms"] == "1.000");
}

TEST_CASE("options reach librdkafka under its names and in its units") {
    auto settings = settings_of(
        {.brokers = "a:1",
         .client_id = "me",
         .linger = 1500us,
         .request_timeout = 2s,
         .socket_timeout = 3s,
         .queue_messages = 10,
         .queue_bytes = 4096,
         .compression = Compression::zstd,
         .max_message_bytes = 2000,
         .security =
             {.protocol = SecurityProtocol::sasl_ssl,
              .ca_file = "ca",
              .sasl_mechanism = "PLAIN",
              .username = "u",
              .password = "p"},
         .settings = {{"metadata.max.age.ms", "1000"}}}
    );
    CHECK(settings["client.id"] == "me");
    CHECK(settings["linger.ms"] == "1.500");
    CHECK(settings["request.timeout.ms"] == "2000");
    CHECK(settings["socket.timeout.ms"] == "3000");
    CHECK(settings["queue.buffering.max.messages"] == "10");
    CHECK(settings["queue.buffering.max.kbytes"] == "4");
    CHECK(settings["compression.codec"] == "zstd");
    CHECK(settings["message.max.bytes"] == "2000");
    CHECK(settings["security.protocol"] == "sasl_ssl");
    CHECK(settings["ssl.ca.location"] == "ca");
    CHECK_FALSE(settings.contains("ssl.key.location"));
    CHECK(settings["sasl.mechanisms"] == "PLAIN");
    CHECK(settings["sasl.username"] == "u");
    CHECK(settings["sasl.password"] == "p");
    CHECK(settings["metadata.max.age.ms"] == "1000");
}

TEST_CASE("an option that is out of range is refused by its name") {
    check_refused("brokers", [](auto& o) { o.brokers.clear(); });
    check_refused("client_id", [](auto& o) { o.client_id.clear(); });
    check_refused("linger", [](auto& o) { o.linger = -1us; });
    check_refused("linger", [](auto& o) { o.linger = 901s; });
    check_refused("delivery_timeout", [](auto& o) { o.delivery_timeout = 0ms; });
    check_refused("delivery_timeout", [](auto& o) {
        o.linger = 100ms;
        o.delivery_timeout = 100ms;
    });
    check_refused("request_timeout", [](auto& o) { o.request_timeout = 0ms; });
    check_refused("socket_timeout", [](auto& o) { o.socket_timeout = 9ms; });
    check_refused("socket_timeout", [](auto& o) { o.socket_timeout = 9s; });
    check_refused("metadata_timeout", [](auto& o) { o.metadata_timeout = 0ms; });
    check_refused("metadata_timeout", [](auto& o) { o.metadata_timeout = 31s; });
    check_refused("queue_messages", [](auto& o) { o.queue_messages = 0; });
    check_refused("queue_bytes", [](auto& o) { o.queue_bytes = 1023; });
    check_refused("max_message_bytes", [](auto& o) { o.max_message_bytes = 999; });
}

TEST_CASE("security options that contradict each other are refused") {
    check_refused("security", [](auto& o) { o.security.ca_file = "ca"; });
    check_refused("security", [](auto& o) { o.security.username = "u"; });
    check_refused("security", [](auto& o) { o.security.sasl_mechanism = "PLAIN"; });
    check_refused("security", [](auto& o) {
        o.security.protocol = SecurityProtocol::sasl_plaintext;
    });
    check_refused("security", [](auto& o) {
        o.security.protocol = SecurityProtocol::ssl;
        o.security.certificate_file = "c";
    });
}

TEST_CASE("a setting that the library owns is refused, one that nobody knows too") {
    for (const char* name :
         {"acks",
          "enable.idempotence",
          "enable.gapless.guarantee",
          "transactional.id",
          "message.timeout.ms",
          "partitioner"}) {
        check_refused("settings", [name](auto& o) { o.settings[name] = "1"; });
    }
    boost::asio::io_context io;
    CHECK_THROWS_AS(
        Producer(
            io.get_executor(), {.brokers = "localhost:1", .settings = {{"no.such", "1"}}}
        ),
        std::invalid_argument
    );
}

TEST_CASE("the sink refuses options by their names") {
    boost::asio::io_context io;
    CHECK_THROWS_WITH_AS(
        KafkaSink(io.get_executor(), {.brokers = "localhost:1"}, {.source = ""}),
        "source: must not be empty",
        std::invalid_argument
    );
    CHECK_THROWS_AS(KafkaSink(io.get_executor(), {}), std::invalid_argument);
}

TEST_CASE("topics are named by letters, digits, dots, underscores and dashes") {
    CHECK(is_topic_name("user-events"));
    CHECK(is_topic_name("A.b_9-"));
    CHECK(is_topic_name(std::string(249, 'a')));
    CHECK_FALSE(is_topic_name(std::string(250, 'a')));
    for (const char* name : {"", ".", "..", "a b", "a/b", "a\n", "\xc3\xbc", "a:b"}) {
        CAPTURE(name);
        CHECK_FALSE(is_topic_name(name));
    }
    CHECK_FALSE(is_topic_name(std::string_view{"a\0b", 3}));
}
