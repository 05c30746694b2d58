// SPDX-License-Identifier: MIT
#include <host/config.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/events.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/backing/redis.hpp>

#include "backing_settings.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace resilience;
using namespace resilience::modules;

namespace {

// What a program with every backing part says to one variable; empty when it takes it.
std::string verdict(const std::string& name, const std::string& value) {
    modules::tests::BackingSettings settings;
    const auto outcome = settings.config.parse({}, {{name, value}});
    if (outcome.exit_code) CHECK(outcome.exit_code == 2);
    return outcome.text;
}

}  // namespace

TEST_CASE("M14: addresses of servers are taken in all their forms") {
    for (const std::string value :
         {"localhost:6379", "10.0.0.1:1", "[::1]:6379", "unix:/run/redis.sock"}) {
        CHECK(verdict("REDIS_ADDR", value) == "");
    }
    for (const std::string value :
         {"localhost:9092",
          "localhost",
          "a:1,b:2,c",
          "[::1]:9092",
          "PLAINTEXT://kafka-0.kafka:9092"}) {
        CHECK(verdict("KAFKA_BROKERS", value) == "");
    }
    for (const std::string value :
         {"localhost",
          "db-1.example.com",
          "10.0.0.1",
          "::1",
          "/run/postgresql",
          "@x",
          "a,b"}) {
        CHECK(verdict("DB_HOST", value) == "");
    }
}

TEST_CASE("M14: an address that no server can have is refused by the setting's name") {
    const auto refused = [](const std::string& name, const std::string& value) {
        CAPTURE(value);
        CHECK(verdict(name, value).starts_with(name + ": "));
    };
    for (const std::string value :
         {"nonsense",
          "localhost",
          "localhost:",
          "localhost:0",
          "localhost:65536",
          ":6379",
          "a b:6379",
          "::1",
          "redis://localhost:6379",
          "unix:relative"}) {
        refused("REDIS_ADDR", value);
    }
    refused("REDIS_ADDR", "unix:/" + std::string(107, 'x'));
    for (const std::string value :
         {"a:1,,b:2",
          "a:1,",
          ":9092",
          "a:0",
          "a:65536",
          "a b",
          "a:one",
          "PLAINTEXT://"}) {
        refused("KAFKA_BROKERS", value);
    }
    for (const std::string value : {"localhost:5432", "a b", "a,,b", "http://db"}) {
        refused("DB_HOST", value);
    }
}

TEST_CASE("M15: a program that writes no events says that it leaves their settings alone"
) {
    host::Config config{"test", "Tests."};
    backing::leave_to_writers(config);
    const auto outcome = config.parse(
        {},
        {{"KAFKA_TOPIC", "other"},
         {"EVENT_TOPICS", "other"},
         {"RELAY_MAX_RETRIES", "9"},
         {"DB_HOST", "x"}}
    );
    CHECK_FALSE(outcome.exit_code.has_value());
    REQUIRE(config.notes().size() == 3);
    CHECK(config.notes()[0].starts_with("EVENT_TOPICS is not used here"));
    CHECK(config.notes()[1].starts_with("KAFKA_TOPIC is not used here"));
    CHECK(config.notes()[2].starts_with("RELAY_MAX_RETRIES is not used here"));
    CHECK(config.help().find("RELAY_MAX_RETRIES") == std::string::npos);
}

TEST_CASE("O5: EVENT_TOPICS says where events may go, and how large they are") {
    const auto written = [](const host::Config::Environment& environment) {
        host::Config config{"test", "Tests."};
        backing::EventSettings settings;
        declare(config, settings);
        CHECK(config.parse({}, environment).text == "");
        return backing::make_outbox(settings).options();
    };
    CHECK(written({}).topics.empty());
    const auto options =
        written({{"EVENT_TOPICS", "user-events=5000,mail"}, {"KAFKA_TOPIC", "mail"}});
    CHECK(options.topics.size() == 2);
    CHECK(options.topics.contains("mail"));
    CHECK(options.topic_max_event_bytes.size() == 1);
    CHECK(options.topic_max_event_bytes.at("user-events") == 5000);
    for (const char* text :
         {"a b",
          ",",
          "=1",
          "mail=",
          "mail=0",
          "mail=-1",
          "mail=1k",
          "mail=1=2",
          "mail,mail",
          "mail,mail=1",
          "mail=99999999999999999999"}) {
        host::Config config{"test", "Tests."};
        backing::EventSettings settings;
        declare(config, settings);
        const std::string said = config.parse({}, {{"EVENT_TOPICS", text}}).text;
        CHECK_MESSAGE(said.starts_with("EVENT_TOPICS: "), text);
    }
    backing::EventSettings settings;
    settings.topics = "mail";
    CHECK_THROWS_WITH_AS(
        backing::make_outbox(settings),
        "EVENT_TOPICS: user-events is missing, which KAFKA_TOPIC names",
        std::invalid_argument
    );
}
