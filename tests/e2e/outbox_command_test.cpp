// SPDX-License-Identifier: MIT
// The program outbox, as far as it only looks.
#include <e2e/lanes.hpp>
#include <e2e/outbox_command.hpp>

#include <string>

using namespace resilience::e2e;

TEST_CASE("outbox verify finds nothing wrong in what relay delivered, and all that is") {
    Lanes stack(2);
    stack.create_topic();
    stack.write(1, 50);
    {
        Relay relay(stack, "one");
        REQUIRE(stack.all_delivered());
        const auto good = outbox(stack, {"verify"});
        CHECK_MESSAGE(good.code == 0, good.text);
        CHECK_MESSAGE(good.says("50 records: 0 missing, 0 duplicates"), good.text);
        CHECK_MESSAGE(good.says("lane 0: 50 records, 1 to 50, 0 missing"), good.text);
        CHECK(relay.ends());
    }
    const auto known = stack.delivered().at(2);
    send(stack, stack.topic(), "-H nothing=here");
    const auto foreign = outbox(stack, {"verify"});
    CHECK(foreign.code == 1);
    CHECK_MESSAGE(
        foreign.says("foreign: " + stack.topic() + "[0] offset "), foreign.text
    );
    CHECK(outbox(stack, {"verify", "--allow-foreign"}).code == 0);

    send(
        stack,
        stack.topic(),
        "-H ce_id=" + known.id + " -H lane=0 -H lane_seq=" + known.lane_seq
    );
    send(stack, stack.topic(), "-H ce_id=later -H lane=0 -H lane_seq=53");
    const auto bad = outbox(stack, {"verify", "-json", "--allow-foreign"});
    CHECK(bad.code == 1);
    const auto found = bad.json();
    CHECK(found.at("duplicates") == 1);
    CHECK(found.at("missing") == 2);
    CHECK(found.at("foreign") == 1);
    const auto& gap = found.at("examples").as_array().at(0).as_object();
    CHECK(gap.at("fault") == "gap");
    CHECK(gap.at("lane_seq") == 51);
    CHECK(gap.at("last") == 52);
}

TEST_CASE("outbox verify misses what a position says was delivered") {
    Lanes stack(1);
    stack.create_topic();
    stack.write(1, 5);
    Relay relay(stack, "one");
    REQUIRE(stack.all_delivered());
    // Other topics hold nothing of what the lane has delivered.
    const auto other = stack.topic() + "_other";
    stack.create_topic(other);
    const auto ran = outbox(stack, {"verify", "--topics", other});
    CHECK(ran.code == 1);
    CHECK_MESSAGE(ran.says("gap: lane 0: 1 to 5"), ran.text);
}

TEST_CASE("what only looks creates nothing and says what is not there") {
    const Lanes stack(2);
    const auto nowhere = stack.topic() + "_nowhere";
    const auto ran = outbox(stack, {"verify", "--topics", nowhere});
    CHECK(ran.code == 3);
    CHECK_MESSAGE(ran.says("there is no topic " + nowhere), ran.text);
    // However many they are, and what is put aside from each is asked for with it.
    auto many = nowhere;
    for (int i = 0; i < 334; ++i) many += ',' + nowhere + std::to_string(i);
    const auto all = outbox(stack, {"verify", "--topics", many});
    CHECK(all.code == 3);
    CHECK_MESSAGE(all.says("there is no topic " + nowhere), all.text);
    CHECK(outbox(stack, {"verify"}).code == 0);
    const auto status = outbox(stack, {"status"});
    CHECK(status.code == 1);
    CHECK_MESSAGE(status.says("lane 1: nobody, no position yet"), status.text);
    CHECK(outbox(stack, {"lag"}).code == 0);
    CHECK_FALSE(has_topic(stack, nowhere));
    CHECK_FALSE(has_topic(stack, stack.topic()));
    CHECK_FALSE(
        has_topic(stack, "resilience." + stack.environment().at("DB_NAME") + ".position")
    );
}

TEST_CASE("outbox status shows owners and positions, and fences nobody") {
    Lanes stack(2);
    stack.create_topic();
    stack.write(1, 7);
    Relay relay(stack, "one");
    REQUIRE(relay.owns(2));
    REQUIRE(stack.all_delivered());
    const auto status = outbox(stack, {"status"});
    CHECK_MESSAGE(status.code == 0, status.text);
    CHECK_MESSAGE(status.says("1 instances share 2 lanes"), status.text);
    CHECK_MESSAGE(status.says("lane 0: session "), status.text);
    CHECK_MESSAGE(status.says(", 7 events in "), status.text);
    const auto json = outbox(stack, {"status", "-json"}).json();
    CHECK(json.at("members") == 1);
    const auto& lane = json.at("lanes").as_array().at(0).as_object();
    CHECK(lane.at("position").as_object().at("lane_seq") == 7);
    CHECK(lane.at("position").as_object().at("source") == json.at("source"));
    CHECK(outbox(stack, {"status"}, {{"RELAY_LANES", "1"}}).code == 1);
    // The relay has noticed nothing.
    stack.write(8, 9);
    CHECK(stack.all_delivered());
    CHECK(relay.shows("relay_lane_fences_total{lane=\"0\"} 0"));
    CHECK(relay.ends());
    const auto left = outbox(stack, {"status"});
    CHECK(left.code == 1);
    CHECK_MESSAGE(left.says("lane 0 has no owner"), left.text);
}

TEST_CASE("outbox lag counts what is committed and not delivered") {
    Lanes stack(2);
    stack.create_topic();
    stack.write(1, 3);
    {
        Relay relay(stack, "one");
        REQUIRE(stack.all_delivered());
        CHECK(eventually([&] { return outbox(stack, {"lag"}).says("lane 0: 0 events"); })
        );
        CHECK(relay.ends());
    }
    stack.write(4, 10);
    const auto lag = outbox(stack, {"lag"});
    CHECK(lag.code == 0);
    CHECK_MESSAGE(lag.says("lane 0: 7 events, the oldest "), lag.text);
    CHECK_MESSAGE(lag.says("lane 1: 0 events"), lag.text);
    const auto over = outbox(stack, {"lag", "--over", "1ms", "-json"});
    CHECK(over.code == 1);
    CHECK(over.json().at("lanes").as_array().at(0).as_object().at("events") == 7);
}

TEST_CASE("I11: positions of another source are told, and nothing is counted by them") {
    Lanes one(1);
    one.create_topic();
    one.write(1, 3);
    {
        Relay relay(one, "one");
        REQUIRE(one.all_delivered());
        CHECK(relay.ends());
    }
    const Lanes other(1);
    const Environment taken{{"RELAY_OUTBOX", one.environment().at("DB_NAME")}};
    const auto lag = outbox(other, {"lag"}, taken);
    CHECK(lag.code == 1);
    CHECK_MESSAGE(lag.says("does not continue the history"), lag.text);
    const auto status = outbox(other, {"status"}, taken);
    CHECK_MESSAGE(status.says("its position speaks of another source"), status.text);
}

TEST_CASE("outbox says how it is used, and refuses what it cannot do") {
    const Lanes stack(1);
    CHECK(outbox(stack, {"--help"}).says("usage: outbox <command>"));
    CHECK(outbox(stack, {}).code == 2);
    CHECK(outbox(stack, {"nonsense"}).code == 2);
    const auto help = outbox(stack, {"verify", "--help"});
    CHECK(help.code == 0);
    CHECK_MESSAGE(help.says("usage: outbox verify"), help.text);
    CHECK_MESSAGE(help.says("--since"), help.text);
    CHECK(outbox(stack, {"verify", "--nonsense"}).code == 2);
    const auto embedded = outbox(stack, {"status"}, {{"DB_HOST", ""}});
    CHECK(embedded.code == 2);
    CHECK_MESSAGE(embedded.says("DB_HOST"), embedded.text);
    CHECK(outbox(stack, {"lag"}, {{"KAFKA_BROKERS", ""}}).code == 2);
    const auto down = outbox(stack, {"status"}, {{"DB_PORT", "1"}});
    CHECK(down.code == 3);
}
