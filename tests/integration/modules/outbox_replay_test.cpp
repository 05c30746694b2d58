// SPDX-License-Identifier: MIT
// Two at once of what replays dead letters, and of what writes parked events.
#include "environment.hpp"
#include "integration/kafka/foreign_transaction.hpp"
#include "integration/kafka/lane_world.hpp"

#include <modules/outbox_admin/letters/replaying.hpp>
#include <modules/outbox_admin/parked/parked_writer.hpp>
#include <modules/outbox_admin/parked/unpark.hpp>

#include <resilience/kafka/lane_producer.hpp>
#include <resilience/kafka/topic_reader.hpp>
#include <resilience/kafka/transactional_producer.hpp>

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

    // The keys of the marks of unparkings.
    std::vector<std::string> marks() {
        const auto found = run(read_marks(*tools, "unparked"));
        REQUIRE(found.has_value());
        std::vector<std::string> keys;
        for (const auto& [key, value] : *found) keys.push_back(key);
        return keys;
    }
    std::string mark(const Parking& parking) const {
        return unpark_mark_key(request.relay.outbox, parking);
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

    // Puts events of the key k aside, as a lane does.
    void put_aside(std::uint64_t since, const std::vector<std::string>& ids) {
        kafka::TransactionalProducer producer{
            io.get_executor(),
            cluster.options(),
            {.transactional_id = test::unique_name("aside")}};
        REQUIRE(run(producer.open()).has_value());
        std::vector<kafka::Message> messages;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            messages.push_back(
                {.topic = topic + ".parked",
                 .key = "k",
                 .value = ids[i],
                 .headers =
                     {{"ce_id", ids[i]},
                      {"dead_letter_topic", topic},
                      {"lane", "0"},
                      {"parked_since", std::to_string(since)},
                      {"parked_number", std::to_string(i + 1)}}}
            );
        }
        REQUIRE(run(producer.commit(std::move(messages))).has_value());
    }

    // Begins to write a parking of which so much is written.
    Result<void> begin(ParkedWriter& writer, const Unparked& done) {
        const auto opened = run(writer.open());
        return opened ? run(writer.begin(done)) : opened;
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
    REQUIRE(world.begin(one, {}).has_value());
    REQUIRE(world.begin(other, {}).has_value());
    const Names both{"a", "b"};
    REQUIRE(world.run(other.send({world.good("a", 1), world.good("b", 2)})).has_value());
    CHECK(other.done() == Unparked{2, "b", world.good("b", 2).place()});
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
    REQUIRE(world.run(last.open()).has_value());
    CHECK_FALSE(world.run(last.forget()).left.has_value());
    CHECK(again().has_error());
    CHECK(world.events(2) == both);
    CHECK(one.sent() == 0);
}

TEST_CASE("how many parked events were written by hand is noted, and found again") {
    World world;
    const Parking parking{
        .lane = 0, .parked = {.topic = world.topic, .key = "k", .since = 7, .events = 4}};
    ParkedWriter one{*world.tools, parking};
    const Unparked by_hand{2, "", ""};
    REQUIRE(world.begin(one, by_hand).has_value());
    CHECK(one.done() == by_hand);
    ParkedWriter other{*world.tools, parking};
    REQUIRE(world.run(other.open()).has_value());
    CHECK(*other.mark() == by_hand);
    REQUIRE(world.run(other.begin(by_hand)).has_value());
    REQUIRE(world.run(other.send({world.good("c", 3)})).has_value());
    CHECK(other.done() == Unparked{3, "c", world.good("c", 3).place()});
}

TEST_CASE("a mark of a lost parking of all the same names is not believed") {
    World world;
    const Parking parking{
        .lane = 0, .parked = {.topic = world.topic, .key = "k", .since = 7, .events = 2}};
    world.park(0, parking.parked);
    world.request.key = "k";
    const auto unpark_now = [&] { return world.run(unpark(*world.tools)); };
    const auto mark = [&](const Unparked& done) {
        ParkedWriter killed{*world.tools, parking};
        REQUIRE(world.begin(killed, done).has_value());
    };
    const auto marked = [&] {
        ParkedWriter next{*world.tools, parking};
        REQUIRE(world.run(next.open()).has_value());
        return **next.mark();
    };
    // Nothing would be left to write.
    const Unparked lost{2, "b", world.topic + ".parked/0/1"};
    mark(lost);
    CHECK(unpark_now().error() == Errc::not_found);
    const std::string aside = world.topic + ".parked";
    world.cluster.create(aside, 1);
    world.put_aside(7, {"c", "d"});
    const auto refused = unpark_now();
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::corrupt_data);
    CHECK(refused.error().detail.find("say with --written") != std::string::npos);
    CHECK(marked() == lost);
    // Without a database the word cannot be given; what is written is known before.
    const Unparked all{2, "d", aside + "/0/1"};
    world.request.written = 2;
    CHECK(unpark_now().has_error());
    CHECK(marked() == all);
    world.request.written = -1;
    CHECK(unpark_now().error() != Errc::corrupt_data);
    CHECK(marked() == all);
    mark(lost);
    world.request.written = 0;
    CHECK(unpark_now().has_error());
    CHECK(marked() == Unparked{});
}

TEST_CASE("I7: what a replay has under way is in no partition that a lane is read from") {
    World world;
    const Parking parking{
        .lane = 0, .parked = {.topic = world.topic, .key = "k", .since = 7, .events = 4}};
    ParkedWriter writer{*world.tools, parking};
    REQUIRE(world.begin(writer, {}).has_value());
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
        REQUIRE(world.begin(killed, {1, "", ""}).has_value());
    }
    world.park(0, {.topic = world.topic, .key = "k", .since = 9, .events = 4});
    ParkedWriter writer{*world.tools, parking(0, 7)};
    REQUIRE(world.begin(writer, {1, "", ""}).has_value());
    const auto forgotten = world.run(writer.forget());
    CHECK_FALSE(forgotten.left.has_value());
    CHECK(forgotten.others == 1);
    // Of lane 1 nothing is known, as it has no position.
    CHECK(world.marks() == Names{world.mark(parking(0, 9)), world.mark(parking(1, 5))});
}

TEST_CASE("an unparking takes its mark back though other lanes cannot be read") {
    World world;
    const auto parking = [&](int lane) {
        return Parking{lane, {.topic = world.topic, .key = "k", .since = 5, .events = 4}};
    };
    for (const int lane : {0, 1, 2, 3}) {
        ParkedWriter killed{*world.tools, parking(lane)};
        REQUIRE(world.begin(killed, {1, "", ""}).has_value());
    }
    world.park(3, {.topic = world.topic, .key = "k", .since = 9, .events = 4});
    // The last record of lane 0 is no position, and neither are those of the others.
    const auto& positions = world.request.relay.position_topic;
    const test::ForeignTransaction open{world.cluster, positions};
    ParkedWriter writer{*world.tools, parking(1)};
    REQUIRE(world.begin(writer, {1, "", ""}).has_value());
    const auto began = Clock::now();
    const auto forgotten = world.run(writer.forget());
    CHECK(Clock::now() - began < std::chrono::seconds{10});
    REQUIRE(forgotten.left.has_value());
    CHECK(*forgotten.left == Errc::timed_out);
    CHECK(forgotten.others == 1);
    CHECK(world.marks() == Names{world.mark(parking(0)), world.mark(parking(2))});
}

TEST_CASE("what is wrong with the topic of marks is no letter's fault") {
    World world;
    const auto marks = mark_topic(*world.tools);
    world.cluster.create(
        marks, 1, {{"cleanup.policy", "compact"}, {"max.message.bytes", "600"}}
    );
    const auto names_marks = [&](const Failure& failure) {
        return failure.detail.find("the mark topic " + marks) != std::string::npos;
    };
    // It takes what is smaller.
    Replaying replaying{*world.tools};
    REQUIRE(world.run(replaying.open()).has_value());
    const auto refused = world.run(replaying.send(world.good(test::noise(900), 1)));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::too_large);
    CHECK_MESSAGE(names_marks(refused.error()), refused.error().message());
    CHECK(replaying.report(0).json.at("refused_count") == 0);
    CHECK(world.run(replaying.send(world.good("a", 2))).has_value());
    CHECK(world.run(replaying.send(world.bad("b", 3))).has_value());
    CHECK(replaying.report(0).json.at("refused_count") == 1);
}
