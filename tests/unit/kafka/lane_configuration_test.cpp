// SPDX-License-Identifier: MIT
#include <src/kafka/lane_configuration.hpp>

#include <resilience/kafka/lane_producer.hpp>

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

using Named = std::map<std::string, std::string>;

const ProducerOptions producer{.brokers = "localhost:9092"};

Named named(const detail::Settings& settings) {
    Named map;
    for (const auto& [name, value] : settings) map[name] = value;
    return map;
}

// Refused by the constructor, which connects to nothing.
void check_refused(
    const std::string& field,
    const std::function<void(LaneProducerOptions&)>& change,
    const ProducerOptions& with = producer
) {
    CAPTURE(field);
    LaneProducerOptions options{.outbox = "orders"};
    change(options);
    boost::asio::io_context io;
    try {
        LaneProducer made(io.get_executor(), with, options);
        FAIL("not refused");
    } catch (const std::invalid_argument& error) {
        CHECK(std::string{error.what()}.starts_with(field + ": "));
    }
}

}  // namespace

TEST_CASE("I7: a lane's producer has the lane's transactional id") {
    auto settings = named(detail::lane_producer_settings(
        producer, {.outbox = "orders", .lane = 3, .lanes = 4}
    ));
    CHECK(settings["transactional.id"] == "resilience.orders.3");
    CHECK(settings["enable.idempotence"] == "true");
    CHECK(settings["acks"] == "all");
    CHECK(settings["partitioner"] == "murmur2_random");
    CHECK(settings["transaction.timeout.ms"] == "20000");
    CHECK(settings["message.timeout.ms"] == "18000");
    CHECK(settings["enable.gapless.guarantee"] == "false");
}

TEST_CASE("a message waits no longer than it is told to") {
    auto options = producer;
    options.delivery_timeout = 7s;
    auto settings = named(detail::lane_producer_settings(options, {.outbox = "orders"}));
    CHECK(settings["message.timeout.ms"] == "7000");
}

TEST_CASE("I1: the reader of positions sees what is committed, and all of its end") {
    using resilience::kafka::Isolation;
    auto options = producer;
    options.settings["isolation.level"] = "read_uncommitted";
    auto committed = named(detail::reader_settings(options, Isolation::read_committed));
    CHECK(committed["isolation.level"] == "read_committed");
    CHECK(committed["enable.partition.eof"] == "true");
    CHECK(committed["allow.auto.create.topics"] == "false");
    auto all = named(detail::reader_settings(producer, Isolation::read_uncommitted));
    CHECK(all["isolation.level"] == "read_uncommitted");
}

TEST_CASE("the position topic has a name by default, and is compacted") {
    const auto options = detail::checked_lane_options(producer, {.outbox = "orders"});
    CHECK(options.position_topic == "resilience.orders.position");
    CHECK(named(detail::compacted_topic_settings())["cleanup.policy"] == "compact");
}

TEST_CASE("an option of a lane that is out of range is named") {
    using Options = LaneProducerOptions;
    check_refused("outbox", [](Options& o) { o.outbox = ""; });
    check_refused("outbox", [](Options& o) { o.outbox = "a b"; });
    check_refused("outbox", [](Options& o) { o.outbox = std::string(181, 'a'); });
    check_refused("lanes", [](Options& o) { o.lanes = 0; });
    check_refused("lanes", [](Options& o) { o.lanes = 65; });
    check_refused("lane", [](Options& o) { o.lane = -1; });
    check_refused("lane", [](Options& o) { o.lane = 4; });
    check_refused("position_topic", [](Options& o) { o.position_topic = "a/b"; });
    check_refused("replication_factor", [](Options& o) { o.replication_factor = 0; });
    check_refused("replication_factor", [](Options& o) { o.replication_factor = -2; });
    check_refused("replication_factor", [](Options& o) { o.replication_factor = 101; });
    check_refused("source", [](Options& o) { o.source = ""; });
    check_refused("transaction_timeout", [](Options& o) { o.transaction_timeout = 15s; });
    check_refused("transaction_timeout", [](Options& o) {
        o.transaction_timeout = 16min;
    });
    check_refused("take_over_timeout", [](Options& o) { o.take_over_timeout = 99ms; });
    check_refused("take_over_timeout", [](Options& o) { o.take_over_timeout = 51s; });
    check_refused("abort_timeout", [](Options& o) { o.abort_timeout = 0ms; });
    check_refused("abort_timeout", [](Options& o) { o.abort_timeout = 21s; });
    check_refused("longest_rest", [](Options& o) { o.longest_rest = -1ms; });
    check_refused("longest_rest", [](Options& o) { o.longest_rest = 21ms; });
    check_refused("epoch_guard", [](Options& o) {
        o.epoch_guard = static_cast<EpochGuard>(3);
    });
}

TEST_CASE("options of the producer are refused when the lane is made") {
    const auto none = [](LaneProducerOptions&) {};
    check_refused("brokers", none, {.brokers = ""});
    auto slow = producer;
    slow.linger = 10s;
    check_refused("transaction_timeout", none, slow);
    auto unknown = producer;
    unknown.settings["no.such.setting"] = "1";
    check_refused("settings", none, unknown);
    auto owned = producer;
    owned.settings["transactional.id"] = "mine";
    check_refused("settings", none, owned);
}
