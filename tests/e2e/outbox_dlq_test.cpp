// SPDX-License-Identifier: MIT
// The program outbox and its dead letters.
#include <e2e/delete_records.hpp>
#include <e2e/lanes.hpp>
#include <e2e/outbox_command.hpp>

#include <map>
#include <string>

using namespace resilience::e2e;

namespace {

// A lane that has delivered one event, and dead letters beside it.
struct Letters : Lanes {
    Letters() : Lanes(1) {
        create_topic();
        create_topic(topic() + ".dlq");
        write(1, 1);
        Relay relay(*this, "one");
        REQUIRE(all_delivered());
        REQUIRE(relay.ends());
    }

    void add(const std::string& event, const std::string& more = {}) const {
        const auto seq = std::to_string(++count);
        send(
            *this,
            topic() + ".dlq",
            "-H ce_id=" + event + " -H dead_letter_topic=" + topic() +
                " -H dead_letter_reason=because -H dead_letter_seq=" + seq +
                " -H lane=0 -H lane_seq=" + std::to_string(1 + count) + ' ' + more
        );
    }

    // How often each event is in the topic.
    std::map<std::string, int> times() const {
        std::map<std::string, int> found;
        for (const auto& message : delivered()) ++found[message.id];
        return found;
    }

    mutable int count = 0;
};

}  // namespace

TEST_CASE("outbox dlq list shows dead letters, and replay sends each of them once") {
    const Letters stack;
    CHECK(outbox(stack, {"dlq", "list"}).code == 0);
    stack.add("a");
    stack.add("b");
    const auto waiting = outbox(stack, {"dlq", "list"});
    CHECK(waiting.code == 1);
    CHECK_MESSAGE(waiting.says("event a for topic " + stack.topic()), waiting.text);
    CHECK_MESSAGE(waiting.says("waits: because"), waiting.text);
    CHECK_MESSAGE(waiting.says("2 dead letters, 0 replayed"), waiting.text);

    CHECK(outbox(stack, {"dlq", "replay"}).code == 2);
    CHECK(outbox(stack, {"dlq", "replay", "--id", "nobody"}).code == 3);
    const auto one = outbox(stack, {"dlq", "replay", "--id", "b"});
    CHECK_MESSAGE(one.code == 0, one.text);
    CHECK(stack.times()["a"] == 0);
    CHECK(stack.times()["b"] == 1);
    const auto all = outbox(stack, {"dlq", "replay", "--all", "-json"});
    CHECK(all.json().at("replayed") == 1);
    CHECK(all.json().at("before") == 1);
    CHECK(outbox(stack, {"dlq", "replay", "--all", "-json"}).json().at("replayed") == 0);
    CHECK(stack.times()["a"] == 1);
    CHECK(stack.times()["b"] == 1);
    CHECK(outbox(stack, {"dlq", "list"}).code == 0);
    const auto verified = outbox(stack, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
    CHECK_MESSAGE(verified.says("2 dead letters, 2 replayed"), verified.text);
    // The marks are in nobody's way.
    stack.write(2, 2);
    Relay relay(stack, "two");
    CHECK(eventually([&] { return stack.delivered().size() == 4; }));
}

TEST_CASE("marks of dead letters end when their topic has them no longer") {
    const Letters stack;
    stack.add("a");
    stack.add("b");
    CHECK(outbox(stack, {"dlq", "replay", "--all", "-json"}).json().at("forgotten") == 0);
    delete_records(stack.environment().at("KAFKA_BROKERS"), stack.topic() + ".dlq");
    stack.add("c");
    const auto ran = outbox(stack, {"dlq", "replay", "--all", "-json"});
    CHECK_MESSAGE(ran.code == 0, ran.text);
    CHECK(ran.json().at("replayed") == 1);
    CHECK(ran.json().at("forgotten") == 2);
    const auto again = outbox(stack, {"dlq", "replay", "--all", "-json"}).json();
    CHECK(again.at("before") == 1);
    CHECK(again.at("forgotten") == 0);
    const auto times = stack.times();
    CHECK(times.size() == 4);
    for (const auto& event : {"a", "b", "c"}) CHECK(times.at(event) == 1);
}

TEST_CASE("content that a dead letter had no room for is sent from its row") {
    const Letters stack;
    const auto row = stack.sql("SELECT id FROM outbox_events").at(0);
    (void)stack.sql(
        "UPDATE outbox_events SET event_data = '{\"n\": 77}', headers = '{\"h\": \"1\"}'"
    );
    stack.add(row, "-H 'dead_letter_content=left out'");
    stack.add("00000000-0000-4000-8000-000000000000", "-H dead_letter_content=x");
    const auto ran = outbox(stack, {"dlq", "replay", "--all"});
    CHECK(ran.code == 1);
    CHECK_MESSAGE(ran.says("1 dead letters replayed, 1 refused"), ran.text);
    CHECK_MESSAGE(ran.says("there is no row of it"), ran.text);
    bool found = false;
    for (const auto& message : stack.delivered()) {
        found = found || message.data == "{\"n\": 77}";
    }
    CHECK(found);
}

TEST_CASE("an event that its topic still refuses stays a dead letter, and others go") {
    const Letters stack;
    const auto row = stack.sql("SELECT id FROM outbox_events").at(0);
    (void)stack.sql("UPDATE outbox_events SET event_data = to_jsonb(repeat('x', 3000000))"
    );
    stack.add(row, "-H dead_letter_content=x");
    stack.add("b");
    const auto ran = outbox(stack, {"dlq", "replay", "--all"});
    CHECK(ran.code == 1);
    CHECK_MESSAGE(ran.says("1 dead letters replayed, 1 refused"), ran.text);
    CHECK(stack.times()["b"] == 1);
    CHECK(outbox(stack, {"dlq", "list", "-json"}).json().at("replayed") == 1);
}

TEST_CASE("a replay that is killed again and again sends each event once") {
    const Letters stack;
    for (int i = 0; i < 40; ++i) stack.add("e" + std::to_string(i));
    int kills = 0;
    for (int i = 0; i < 12; ++i) {
        Process process(
            {OUTBOX, "dlq", "replay", "--all"},
            stack.environment(),
            stack.folder() / ("kill" + std::to_string(i))
        );
        if (process.wait(std::chrono::milliseconds{150 + 60 * i})) continue;
        process.kill();
        ++kills;
    }
    CHECK(kills > 0);
    const auto last = outbox(stack, {"dlq", "replay", "--all"});
    CHECK_MESSAGE(last.code == 0, last.text);
    const auto times = stack.times();
    for (int i = 0; i < 40; ++i) CHECK(times.at("e" + std::to_string(i)) == 1);
    CHECK(outbox(stack, {"verify"}).code == 0);
    MESSAGE(kills << " kills");
}
