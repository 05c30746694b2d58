// SPDX-License-Identifier: MIT
// Two at once of what replays dead letters, and of what writes parked events.
#include "environment.hpp"
#include "integration/kafka/lane_world.hpp"

#include <modules/outbox_admin/parked_writer.hpp>
#include <modules/outbox_admin/replaying.hpp>

#include <resilience/kafka/lane_producer.hpp>
#include <resilience/kafka/topic_reader.hpp>

#include <doctest/doctest.h>

#include <cstdint>
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
        request.relay.position_topic =
            cluster.make_topic("position", 4, {{"cleanup.policy", "compact"}});
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

    // How many offsets of the positions are used, by whatever transaction.
    std::int64_t used_of_positions() {
        kafka::TopicReader reader{
            io.get_executor(),
            cluster.options(),
            {.topics = {request.relay.position_topic}}};
        const auto opened = run(reader.open());
        if (!opened) FAIL("reader: ", opened.error().message());
        std::int64_t used = 0;
        for (const auto& one : reader.progress()) used += one.end;
        return used;
    }

    // The lane's position, which holds a parking.
    void park(int lane, const ParkedKey& parked) {
        kafka::LaneProducer producer{
            io.get_executor(),
            cluster.options(),
            {.outbox = request.relay.outbox,
             .lane = lane,
             .position_topic = request.relay.position_topic}};
        REQUIRE(run(producer.take_over()).has_value());
        auto position = test::position_after({}, 0);
        position.parked.push_back(parked);
        const std::vector<WindowEvent> none;
        REQUIRE(run(producer.commit(none, position)).has_value());
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

TEST_CASE("I7: what a replay has under way is in no partition that a lane is read from") {
    World world;
    const Parking parking{
        .lane = 0, .parked = {.topic = world.topic, .key = "k", .since = 7, .events = 4}};
    ParkedWriter writer{*world.tools, parking};
    REQUIRE(world.run(writer.open(0)).has_value());
    REQUIRE(world.run(writer.send({world.good("a", 1)})).has_value());
    Replaying replaying{*world.tools};
    REQUIRE(world.run(replaying.send(world.good("b", 2))).has_value());
    CHECK(world.events(2) == Names{"a", "b"});
    CHECK(world.used_of_positions() == 0);
}

TEST_CASE("marks of parkings that are over are taken back by the next unparking") {
    World world;
    const auto parking = [&](int lane, std::uint64_t since) {
        return Parking{
            lane, {.topic = world.topic, .key = "k", .since = since, .events = 4}};
    };
    // Whoever wrote these was killed before it could take them back.
    for (const auto& one : {parking(0, 5), parking(0, 9), parking(1, 5)}) {
        ParkedWriter killed{*world.tools, one};
        REQUIRE(world.run(killed.open(1)).has_value());
    }
    world.park(0, {.topic = world.topic, .key = "k", .since = 9, .events = 4});
    ParkedWriter writer{*world.tools, parking(0, 7)};
    REQUIRE(world.run(writer.open(1)).has_value());
    REQUIRE(world.run(writer.forget()).has_value());
    const auto marks = world.run(read_marks(*world.tools, "unparked"));
    REQUIRE(marks.has_value());
    // Of lane 1 nothing is known, as it has no position.
    std::vector<std::string> keys;
    for (const auto& [key, value] : *marks) keys.push_back(key);
    const auto& outbox = world.request.relay.outbox;
    CHECK(keys == Names{outbox + "/unparked/0/9", outbox + "/unparked/1/5"});
}
