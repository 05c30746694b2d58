// SPDX-License-Identifier: MIT
// The program outbox, where what is missing is nothing that a topic takes.
#include <e2e/outbox_command.hpp>
#include <e2e/parked.hpp>

#include <string>

using namespace resilience::e2e;

namespace {

// Two events of one lane, and topics for all that there may be.
struct Poisoned : Parked {
    Poisoned() {
        create_topic(topic() + ".dlq");
        write_one("a", 1);
        write_one("b", 1);
    }

    void deliver() const {
        Relay relay(*this, "one");
        REQUIRE(all_delivered());
        REQUIRE(relay.ends());
    }

    std::size_t letters() const { return read(topic() + ".dlq").size(); }
};

const Environment as_dead_letters{{"RELAY_POISON", "dlq"}};

}  // namespace

TEST_CASE("outbox audit leaves out what would halt its lane, and sends the rest") {
    const Poisoned stack;
    const auto lost = stack.topic() + "_lost";
    stack.create_topic(lost);
    stack.create_topic(lost + ".dlq");
    for (int number = 2; number < 6; ++number) stack.write_one("b", number);
    stack.deliver();
    // A topic that has nothing stands for one that Kafka has lost, and content that has
    // become too large for a limit that was lowered.
    (void)stack.sql("UPDATE outbox_events SET topic = '" + lost + "'");
    (void)stack.sql(
        "UPDATE outbox_events SET event_data = jsonb_build_object('t', repeat('x', "
        "2000000)) WHERE event_data->>'n' = '3'"
    );
    const Environment halting{{"RELAY_POISON", "halt_lane"}};
    const auto halts = outbox(stack, {"audit", "-json"}, halting);
    CHECK(halts.code == 1);
    CHECK_MESSAGE(halts.json().at("missing") == 6, halts.text);
    CHECK(halts.json().at("sent") == 5);
    CHECK(halts.json().at("halting").as_array().size() == 1);
    CHECK(stack.read(lost).size() == 5);
    const auto told = outbox(stack, {"audit"}, halting);
    CHECK(told.code == 1);
    CHECK_MESSAGE(told.says("not sent: event "), told.text);
    CHECK_MESSAGE(told.says("0 events were delivered again"), told.text);
    // With a policy it goes as the relay would send it, and is there.
    const auto letter = outbox(stack, {"audit"}, as_dead_letters);
    CHECK(letter.code == 1);
    CHECK_MESSAGE(letter.says("1 of them are dead letters"), letter.text);
    CHECK(stack.read(lost + ".dlq").size() == 1);
    const auto again = outbox(stack, {"audit"}, as_dead_letters);
    CHECK_MESSAGE(again.code == 0, again.text);
}

TEST_CASE("outbox rebase keeps a lane back behind what halts it, until a policy says") {
    const Poisoned stack;
    stack.deliver();
    stack.write_one("b", 2);
    stack.write_one("b", 3, 2'000'000);
    stack.write_one("b", 4);
    const auto halts = outbox(stack, {"rebase", "--yes", "--most-rows", "5"});
    CHECK(halts.code == 1);
    CHECK_MESSAGE(halts.says("1 events were delivered again"), halts.text);
    CHECK_MESSAGE(halts.says("not sent: event "), halts.text);
    // Nothing is passed over: the lane has no position in this source.
    CHECK(stack.delivered().size() == 3);
    const auto status = outbox(stack, {"status"});
    CHECK_MESSAGE(status.says("speaks of another source"), status.text);
    const auto full = outbox(stack, {"rebase", "--yes", "--most-rows", "4"});
    CHECK(full.code == 3);
    CHECK_MESSAGE(full.says("more --most-rows"), full.text);
    const auto done = outbox(stack, {"rebase", "--yes"}, as_dead_letters);
    CHECK_MESSAGE(done.code == 0, done.text);
    CHECK_MESSAGE(done.says("2 events were delivered again"), done.text);
    CHECK(stack.letters() == 1);
    CHECK(stack.delivered().size() == 4);
    Relay relay(stack, "two");
    stack.write_one("b", 5);
    CHECK(eventually([&] { return stack.delivered().size() == 5; }));
    const auto verified = outbox(stack, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
}
