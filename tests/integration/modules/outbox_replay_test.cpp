// SPDX-License-Identifier: MIT
// Two at once of what replays dead letters, and of what writes parked events.
#include "environment.hpp"
#include "integration/kafka/cluster.hpp"

#include <modules/outbox_admin/parked_writer.hpp>
#include <modules/outbox_admin/replaying.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::modules::outbox_admin;

namespace {

struct World {
    World() {
        request.kafka = {.use_kafka = true, .brokers = cluster.brokers()};
        request.database.use_postgres = true;
        request.relay.outbox = test::unique_name("outbox");
        request.relay.position_topic = cluster.make_topic("position", 4);
        tools = std::make_unique<Tools>(io.get_executor(), request);
    }

    template <class T>
    T run(net::awaitable<T> work) {
        return test::run(io, std::move(work));
    }

    // The events of the topic, in their order.
    std::vector<std::string> events(std::size_t expected) const {
        std::vector<std::string> found;
        for (const auto& one : cluster.consume(topic, expected)) {
            found.push_back(one.value);
        }
        return found;
    }

    // What is put aside of an event for a topic.
    DeadLetter letter(const std::string& event, int number, std::string to) const {
        DeadLetter made;
        made.record.topic = topic + ".dlq";
        made.record.offset = number;
        made.record.value = event;
        made.event = event;
        made.topic = std::move(to);
        return made;
    }
    DeadLetter good(const std::string& event, int number) const {
        return letter(event, number, topic);
    }
    DeadLetter bad(const std::string& event, int number) const {
        return letter(event, number, "no topic");
    }

    test::Cluster cluster = test::Cluster::of_environment();
    std::string topic = cluster.make_topic("events", 1);
    Request request;
    net::io_context io;
    std::unique_ptr<Tools> tools;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("two replays at once send each event once, though each is refused one before") {
    World world;
    Replaying one{*world.tools};
    Replaying other{*world.tools};
    REQUIRE(world.run(one.open()).has_value());
    REQUIRE(world.run(other.open()).has_value());
    for (auto* replaying : {&one, &other}) {
        REQUIRE(world.run(replaying->send(world.bad("a", 1))).has_value());
        const auto sent = world.run(replaying->send(world.good("b", 2)));
        REQUIRE_MESSAGE(sent.has_value(), sent.error().message());
    }
    CHECK(world.events(1) == Names{"b"});
    CHECK(one.report(0).json.at("replayed") == 1);
    CHECK(other.report(0).json.at("replayed") == 0);
    CHECK(other.report(0).json.at("before") == 1);
}

TEST_CASE("I7: a replay that is not ready sends nothing") {
    World world;
    Replay replay{*world.tools, "replayed"};
    const std::vector<DeadLetter> letters{world.good("a", 1)};
    CHECK(world.run(replay.commit(letters, {})).error() == Errc::internal);
    REQUIRE(world.run(replay.ready()).value());
    REQUIRE(world.run(replay.commit({world.bad("b", 2)}, {})).has_error());
    CHECK(world.run(replay.commit(letters, {})).error() == Errc::internal);
    CHECK(world.run(replay.ready()).value());
    CHECK_FALSE(world.run(replay.ready()).value());
    CHECK(world.run(replay.commit(letters, {})).has_value());
    CHECK(world.events(1) == Names{"a"});
}

TEST_CASE("of two that write a parking the one that is refused does not write again") {
    World world;
    const Parking parking{
        .lane = 0, .parked = {.topic = world.topic, .key = "k", .since = 7, .events = 4}};
    ParkedWriter one{*world.tools, parking};
    ParkedWriter other{*world.tools, parking};
    REQUIRE(world.run(one.open(0)).has_value());
    REQUIRE(world.run(other.open(0)).has_value());
    const Names both{"a", "b"};
    REQUIRE(world.run(other.send({world.good("a", 1), world.good("b", 2)})).has_value());
    CHECK(other.done() == Unparked{2, "b"});
    const auto again = [&] {
        return world.run(
            one.send({world.good("a", 1), world.good("b", 2), world.bad("c", 3)})
        );
    };
    const auto fenced = again();
    REQUIRE(fenced.has_error());
    CHECK(fenced.error() == Errc::fenced);
    CHECK(world.events(2) == both);
    // Nor after the parking is over, with which the mark goes.
    ParkedWriter last{*world.tools, parking};
    REQUIRE(world.run(last.open(0)).has_value());
    REQUIRE(world.run(last.forget()).has_value());
    CHECK(again().has_error());
    CHECK(world.events(2) == both);
    CHECK(one.sent() == 0);
}

TEST_CASE("how many parked events were written by hand is noted, and found again") {
    World world;
    const Parking parking{
        .lane = 0, .parked = {.topic = world.topic, .key = "k", .since = 7, .events = 4}};
    ParkedWriter one{*world.tools, parking};
    REQUIRE(world.run(one.open(2)).has_value());
    CHECK(one.done() == Unparked{2, ""});
    ParkedWriter other{*world.tools, parking};
    REQUIRE(world.run(other.open(0)).has_value());
    CHECK(other.done() == Unparked{2, ""});
    REQUIRE(world.run(other.send({world.good("c", 3)})).has_value());
    CHECK(other.done() == Unparked{3, "c"});
}
