// SPDX-License-Identifier: MIT
#include "contracts/event_sink.hpp"
#include "integration/kafka/cluster.hpp"

#include <resilience/kafka/kafka_sink.hpp>

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::KafkaSink;
using kafka::KafkaSinkOptions;

ClaimedEvent event_of(
    std::string topic,
    std::string key,
    std::string data,
    std::string type = "user.created"
) {
    return {
        .event = {
            .id = unique_name("id"),
            .aggregate_type = "user",
            .aggregate_id = "7",
            .event_type = std::move(type),
            .event_data = std::move(data),
            .topic = std::move(topic),
            .partition_key = std::move(key)}};
}

// A JSON string that no codec makes small.
std::string json_noise(std::size_t size) {
    static std::mt19937_64 random{11};
    std::string text(size, '"');
    for (std::size_t i = 1; i + 1 < size; ++i) {
        text[i] = static_cast<char>('a' + random() % 26);
    }
    return text;
}

class KafkaUnderTest final : public contract::SinkUnderTest {
public:
    net::io_context& io() override { return io_; }
    EventSink& sink() override { return sink_; }
    std::string topic() override { return topic_; }
    void make_undeliverable(Event& event) override {
        event.event_data = json_noise(2'000'000);
    }

    std::vector<contract::Arrived> arrived(std::size_t expected) override {
        std::vector<contract::Arrived> arrived;
        for (auto& one : cluster_.consume(topic_, expected)) {
            arrived.push_back({one.key, one.value, one.headers});
        }
        return arrived;
    }

private:
    Cluster cluster_ = Cluster::of_environment();
    std::string topic_ = cluster_.make_topic("contract", 3);
    net::io_context io_;
    KafkaSink sink_{io_.get_executor(), cluster_.options()};
};

}  // namespace

TEST_CASE("O8: KafkaSink keeps the contract of sinks") {
    contract::check_event_sink([] { return std::make_unique<KafkaUnderTest>(); });
}

TEST_CASE("O8: kcat reads a CloudEvent in binary mode") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("cloudevent", 1);
    net::io_context io;
    KafkaSink sink(io.get_executor(), cluster.options(), {.source = "/users"});
    const std::vector events{event_of(topic, "tenant-3", R"({"name":"x"})")};
    const auto results = run(io, sink.deliver(events));
    REQUIRE(results[0].has_value());
    const auto lines = cluster.kcat(topic, "%k %s %h");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with(R"(tenant-3 {"name":"x"} )"));
    for (const std::string header :
         {"ce_specversion=1.0",
          "ce_source=/users",
          "ce_type=user.created",
          "ce_subject=7",
          "content-type=application/json"}) {
        CAPTURE(header);
        CHECK(lines[0].find(header) != std::string::npos);
    }
    CHECK(lines[0].find("ce_id=" + events[0].event.id) != std::string::npos);
}

TEST_CASE("O8: refused by the broker, the culprit alone fails and its neighbours arrive"
) {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("poison", 1, {{"max.message.bytes", "4000"}});
    const auto other = cluster.make_topic("poison-other", 3);
    net::io_context io;
    KafkaSink sink(io.get_executor(), cluster.options());
    std::vector<ClaimedEvent> events;
    for (int i = 0; i < 60; ++i) {
        const bool poison = i == 20 || i == 38;
        const bool elsewhere = i % 3 == 0;
        auto key = (elsewhere ? "other-" : "k") + std::to_string(i % 7);
        events.push_back(event_of(
            elsewhere ? other : topic, std::move(key), json_noise(poison ? 8000 : 120)
        ));
    }
    const auto results = run(io, sink.deliver(events));
    REQUIRE(results.size() == events.size());
    const auto key_of = [&](std::size_t i) { return *events[i].event.partition_key; };
    for (std::size_t i = 0; i < events.size(); ++i) {
        CAPTURE(i);
        if (i == 20 || i == 38) {
            CHECK(results[i].error() == Errc::too_large);
        } else if ((i > 20 && key_of(i) == key_of(20)) || (i > 38 && key_of(i) == key_of(38))) {
            CHECK(results[i].error() == Errc::cancelled);
        } else {
            CHECK(results[i].has_value());
        }
    }
    auto consumed = cluster.consume(topic, 0);
    for (auto& one : cluster.consume(other, 0)) consumed.push_back(std::move(one));
    std::map<std::string, std::vector<std::string>> expected;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (results[i]) expected[key_of(i)].push_back(events[i].event.event_data);
    }
    for (const auto& entry : expected) {
        CAPTURE(entry.first);
        CHECK(first_occurrences(values_of(consumed, entry.first)) == entry.second);
    }

    // The sink goes on with what waited behind the culprit.
    const auto later = run(io, sink.deliver(std::span(events).subspan(34, 1)));
    CHECK(later[0].has_value());
}

TEST_CASE("O9: a topic that is refused blocks its keys alone") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("topics", 2);
    net::io_context io;
    KafkaSink sink(io.get_executor(), cluster.options());
    const std::vector events{
        event_of("not a topic", "a", "1"),
        event_of(topic, "a", "2"),
        event_of(topic, "b", "3")};
    const auto results = run(io, sink.deliver(events));
    CHECK(results[0].error() == Errc::bad_destination);
    CHECK(results[1].error() == Errc::cancelled);
    CHECK(results[2].has_value());
    CHECK(cluster.consume(topic, 1).size() == 1);
}

TEST_CASE("O9: round robin spreads one key over all partitions") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("robin", 4);
    net::io_context io;
    KafkaSink sink(
        io.get_executor(),
        cluster.options(),
        {.partitioner = kafka::RoundRobinPartitioner{}}
    );
    const std::vector<ClaimedEvent> events(8, event_of(topic, "one", "1"));
    for (const auto& result : run(io, sink.deliver(events))) CHECK(result.has_value());
    std::vector<int> counts(4);
    for (const auto& one : cluster.consume(topic, 8)) {
        ++counts[static_cast<std::size_t>(one.partition)];
    }
    CHECK(counts == std::vector<int>{2, 2, 2, 2});
}

TEST_CASE("O9: a type of event has a strategy of its own; one that fails fails its event"
) {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("custom", 4);
    kafka::CustomPartitioner custom;
    custom.set_strategy_for_event_type("user.created", [](const Event&, std::int32_t) {
        return 3;
    });
    custom.set_strategy_for_event_type("user.moved", [](const Event&, std::int32_t n) {
        return n;
    });
    custom.set_strategy_for_event_type(
        "user.broken",
        [](const Event&, std::int32_t) -> std::optional<std::int32_t> {
            throw std::runtime_error("no idea");
        }
    );
    net::io_context io;
    KafkaSink sink(io.get_executor(), cluster.options(), {.partitioner = custom});
    const std::vector events{
        event_of(topic, "a", "1"),
        event_of(topic, "b", "2", "user.moved"),
        event_of(topic, "c", "3", "user.broken"),
        event_of(topic, "d", "4", "user.updated"),
        event_of(topic, "c", "5")};
    const auto results = run(io, sink.deliver(events));
    CHECK(results[0].has_value());
    CHECK(results[1].error() == Errc::bad_destination);
    CHECK(results[2].error() == Errc::invalid_request);
    CHECK(results[2].error().detail.find("no idea") != std::string::npos);
    CHECK(results[3].has_value());
    CHECK(results[4].error() == Errc::cancelled);
    const auto consumed = cluster.consume(topic, 2);
    REQUIRE(consumed.size() == 2);
    for (const auto& one : consumed) {
        CHECK(one.partition == (one.key == "a" ? 3 : kafka::hash_partition("d", 4)));
    }
}

TEST_CASE("O8: a batch larger than the producer's queue is delivered in parts, in order"
) {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("parts", 2);
    auto options = cluster.options();
    options.queue_bytes = 64 * 1024;
    net::io_context io;
    KafkaSink sink(io.get_executor(), options);
    std::vector<ClaimedEvent> events;
    for (int i = 0; i < 40; ++i) {
        events.push_back(event_of(topic, "k" + std::to_string(i % 3), json_noise(9000)));
    }
    for (const auto& result : run(io, sink.deliver(events))) CHECK(result.has_value());
    const auto consumed = cluster.consume(topic, events.size());
    CHECK(consumed.size() == events.size());
    for (int key = 0; key < 3; ++key) {
        std::vector<std::string> expected;
        for (std::size_t i = static_cast<std::size_t>(key); i < events.size(); i += 3) {
            expected.push_back(events[i].event.event_data);
        }
        CHECK(values_of(consumed, "k" + std::to_string(key)) == expected);
    }
}

TEST_CASE("O8: nobody listens: each result is retryable, and the end is prompt") {
    std::vector<Result<void>> results;
    {
        net::io_context io;
        KafkaSink sink(
            io.get_executor(),
            {.brokers = "127.0.0.1:1",
             .delivery_timeout = 1s,
             .request_timeout = 500ms,
             .socket_timeout = 500ms,
             .metadata_timeout = 500ms}
        );
        const std::vector events{event_of("t", "a", "1"), event_of("t", "b", "2")};
        results = run(io, sink.deliver(events));
    }
    REQUIRE(results.size() == 2);
    for (const auto& result : results) {
        CHECK(result.error() == Errc::unavailable);
        CHECK(result.error().detail.find("refused") != std::string::npos);
    }
}
