// SPDX-License-Identifier: MIT
#include "integration/kafka/cluster.hpp"

#include <resilience/kafka/transactional_producer.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::Message;
using kafka::TransactionalProducer;

struct World {
    explicit World(std::string identity = unique_name("identity"))
        : id(std::move(identity)),
          producer(io.get_executor(), cluster.options(), {.transactional_id = id}) {}

    Result<void> open() { return run(io, producer.open()); }
    Result<void> commit(std::vector<Message> messages) {
        return run(io, producer.commit(std::move(messages)));
    }

    Cluster cluster = Cluster::of_environment();
    std::string id;
    net::io_context io;
    TransactionalProducer producer;
};

Message to(const std::string& topic, std::string value) {
    return {.topic = topic, .key = "k", .value = std::move(value), .partition = 0};
}

}  // namespace

TEST_CASE("messages of one transaction are seen together, in whatever topics") {
    World world;
    const auto one = world.cluster.make_topic("one", 1);
    const auto two = world.cluster.make_topic("two", 1);
    CHECK(world.commit({to(one, "a")}).error() == Errc::invalid_request);
    REQUIRE(world.open().has_value());
    CHECK(world.commit({}).error() == Errc::invalid_request);
    for (int i = 0; i < 3; ++i) {
        if (!world.producer.is_open()) REQUIRE(world.open().has_value());
        const auto value = std::to_string(i);
        const auto done = world.commit({to(one, value), to(two, value)});
        REQUIRE_MESSAGE(done.has_value(), done.error().message());
    }
    const std::vector<std::string> all{"0", "1", "2"};
    CHECK(values_of(world.cluster.consume(one, 3), "k") == all);
    CHECK(values_of(world.cluster.consume(two, 3), "k") == all);
}

TEST_CASE("nothing is seen of a transaction with a message that is refused") {
    World world;
    const auto good = world.cluster.make_topic("good", 1);
    const auto small =
        world.cluster.make_topic("small", 1, {{"max.message.bytes", "1000"}});
    REQUIRE(world.open().has_value());
    const auto refused = world.commit({to(good, "a"), to(small, noise(5000))});
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::too_large);
    CHECK(refused.error().detail.find(small) != std::string::npos);
    CHECK(world.producer.refused() == 1);
    CHECK_FALSE(world.producer.is_open());
    // I8: the failed one is followed by none.
    CHECK(world.commit({to(good, "b")}).error() == Errc::invalid_request);
    CHECK_FALSE(world.producer.refused().has_value());
    REQUIRE(world.open().has_value());
    REQUIRE(world.commit({to(good, "c")}).has_value());
    CHECK(
        values_of(world.cluster.consume(good, 1), "k") == std::vector<std::string>{"c"}
    );
}

TEST_CASE("I7: whoever opened last is the only one who can commit") {
    World first;
    World second{first.id};
    const auto topic = first.cluster.make_topic("fence", 1);
    REQUIRE(first.open().has_value());
    REQUIRE(second.open().has_value());
    const auto fenced = first.commit({to(topic, "first")});
    REQUIRE(fenced.has_error());
    CHECK(fenced.error() == Errc::fenced);
    REQUIRE(second.commit({to(topic, "second")}).has_value());
    CHECK(
        values_of(second.cluster.consume(topic, 1), "k") ==
        std::vector<std::string>{"second"}
    );
}

TEST_CASE("a topic of marks is made, and none is taken that loses them") {
    World world;
    const auto open = [&](TransactionalProducer& producer) {
        return run(world.io, producer.open());
    };
    const auto marks = unique_name("marks");
    TransactionalProducer made{
        world.io.get_executor(),
        world.cluster.options(),
        {.transactional_id = world.id, .mark_topic = marks}};
    REQUIRE(open(made).has_value());
    REQUIRE(run(world.io, made.commit({to(marks, "1")})).has_value());
    CHECK(
        values_of(world.cluster.consume(marks, 1), "k") == std::vector<std::string>{"1"}
    );
    // It is there, and as it must be.
    TransactionalProducer next{
        world.io.get_executor(),
        world.cluster.options(),
        {.transactional_id = world.id, .mark_topic = marks}};
    CHECK(open(next).has_value());

    const auto deleting = world.cluster.make_topic("deleting", 1);
    TransactionalProducer refused{
        world.io.get_executor(),
        world.cluster.options(),
        {.transactional_id = world.id, .mark_topic = deleting}};
    const auto failed = open(refused);
    REQUIRE(failed.has_error());
    CHECK(failed.error() == Errc::bad_destination);
    CHECK(failed.error().detail.find("set it to compact") != std::string::npos);
    // Nobody was fenced for it.
    CHECK(run(world.io, next.commit({to(marks, "2")})).has_value());
}

TEST_CASE("the message that a transaction failed for is told, wherever it stands") {
    World world;
    const auto good = world.cluster.make_topic("good", 1);
    const auto small =
        world.cluster.make_topic("small", 1, {{"max.message.bytes", "1000"}});
    for (std::size_t at = 0; at < 3; ++at) {
        for (const auto& bad : {to(small, noise(5000)), to("no topic", "a")}) {
            std::vector<Message> messages(3, to(good, "b"));
            messages[at] = bad;
            REQUIRE(world.open().has_value());
            const auto refused = world.commit(messages);
            REQUIRE(refused.has_error());
            CHECK(refused.error().detail.starts_with("topic " + bad.topic + ": "));
            CHECK(world.producer.refused() == at);
        }
    }
}

TEST_CASE("a topic of marks that is gone is made again by whoever opens, as it must be") {
    World world;
    const auto marks = unique_name("marks");
    const auto open = [&](TransactionalProducer& producer) {
        return run(world.io, producer.open());
    };
    const auto make = [&] {
        return std::make_unique<TransactionalProducer>(
            world.io.get_executor(),
            world.cluster.options(),
            kafka::TransactionalProducerOptions{
                .transactional_id = world.id, .mark_topic = marks}
        );
    };
    const auto producer = make();
    REQUIRE(open(*producer).has_value());
    world.cluster.remove(marks);
    REQUIRE(open(*producer).has_value());
    CHECK(run(world.io, producer->commit({to(marks, "1")})).has_value());
    // It keeps its records.
    const auto again = open(*make());
    CHECK_MESSAGE(again.has_value(), again.error().message());
}

TEST_CASE("an option of a transactional producer that is out of range is named") {
    net::io_context io;
    const auto refused = [&](const char* name, auto options) {
        CHECK_THROWS_WITH_AS(
            TransactionalProducer(io.get_executor(), {.brokers = "localhost:1"}, options),
            doctest::Contains(name),
            std::invalid_argument
        );
    };
    using Options = kafka::TransactionalProducerOptions;
    refused("transactional_id", Options{});
    refused(
        "transaction_timeout", Options{.transactional_id = "t", .transaction_timeout = 1s}
    );
    refused("mark_topic", Options{.transactional_id = "t", .mark_topic = "a b"});
    refused("mark_replicas", Options{.transactional_id = "t", .mark_replicas = 0});
    refused("open_timeout", Options{.transactional_id = "t", .open_timeout = 1ms});
}
