// SPDX-License-Identifier: MIT
// The program outbox, where the topics tell nothing of rows.
#include <e2e/delete_records.hpp>
#include <e2e/lanes.hpp>
#include <e2e/outbox_command.hpp>

#include <string>

using namespace resilience::e2e;

namespace {

// Three delivered rows of one topic, and another topic whose dead letters are gone.
struct Emptied : Lanes {
    Emptied() : Lanes(1) {
        create_topic();
        create_topic(other());
        create_topic(other() + ".dlq");
        write(1, 3);
        Relay relay(*this, "one");
        REQUIRE(all_delivered());
        REQUIRE(relay.ends());
        send(*this, other() + ".dlq", "");
        delete_records(environment().at("KAFKA_BROKERS"), other() + ".dlq");
    }

    std::string other() const { return topic() + "_other"; }

    void write_other(int number) const {
        write(number, number);
        (void)sql(
            "UPDATE outbox_events SET topic = '" + other() + "' WHERE aggregate_id = '" +
            std::to_string(number) + "'"
        );
    }
};

}  // namespace

TEST_CASE("outbox rebase passes over no event that an emptied topic might have had") {
    const Emptied stack;
    stack.write(4, 4);
    stack.write_other(5);
    const auto asked = outbox(stack, {"rebase"});
    CHECK(asked.code == 1);
    CHECK_MESSAGE(asked.says("5 rows compared with 3 records: 1 missing"), asked.text);
    CHECK_MESSAGE(asked.says("not judged: event"), asked.text);
    CHECK_MESSAGE(asked.says("1 rows are older than what"), asked.text);
    const auto refused = outbox(stack, {"rebase", "--yes"});
    CHECK(refused.code == 3);
    CHECK_MESSAGE(refused.says("1 rows cannot be judged"), refused.text);
    // Nothing was delivered, and no lane went on behind them.
    CHECK(stack.delivered().size() == 3);
    const auto waits = outbox(stack, {"lag"});
    CHECK_MESSAGE(waits.says("lane 0: 2 events"), waits.text);
    const auto both = outbox(
        stack, {"rebase", "--yes", "--count-unjudged-as-delivered", "--deliver-unjudged"}
    );
    CHECK(both.code == 2);
    const auto sent = outbox(stack, {"rebase", "--yes", "--deliver-unjudged"});
    CHECK(sent.code == 1);
    CHECK_MESSAGE(sent.says("2 events were delivered again"), sent.text);
    CHECK(stack.delivered().size() == 4);
    CHECK(outbox(stack, {"lag"}).says("lane 0: 0 events"));
    CHECK(outbox(stack, {"rebase", "--yes"}).code == 0);
}

TEST_CASE("outbox rebase counts rows as delivered at the operator's word alone") {
    const Emptied stack;
    stack.write_other(4);
    const auto counted =
        outbox(stack, {"rebase", "--yes", "--count-unjudged-as-delivered", "-json"});
    CHECK(counted.code == 1);
    CHECK_MESSAGE(counted.json().at("unjudged") == 1, counted.text);
    CHECK(counted.json().at("sent") == 0);
    CHECK(outbox(stack, {"lag"}).says("lane 0: 0 events"));
    // It stays something that nobody can tell.
    const auto audited = outbox(stack, {"audit", "-json"});
    CHECK(audited.code == 1);
    CHECK_MESSAGE(audited.json().at("unjudged") == 1, audited.text);
    CHECK(audited.json().at("sent") == 0);
}

TEST_CASE("outbox audit and rebase send no event of a topic that they did not read") {
    const Emptied stack;
    const auto audited = outbox(stack, {"audit", "--topics", stack.other()});
    CHECK_MESSAGE(audited.code == 0, audited.text);
    const auto refused = outbox(stack, {"rebase", "--yes", "--topics", stack.other()});
    CHECK(refused.code == 3);
    CHECK_MESSAGE(refused.says("3 rows cannot be judged"), refused.text);
    CHECK(stack.delivered().size() == 3);
}
