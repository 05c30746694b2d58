// SPDX-License-Identifier: MIT
// Requests to Kafka that are cut, delayed or swallowed, kind by kind.
#include <chaos/exactly_once/command.hpp>
#include <chaos/exactly_once/kafka_proxy.hpp>
#include <chaos/exactly_once/topic_admin.hpp>
#include <chaos/exactly_once/world.hpp>
#include <integration/kafka/private_broker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace resilience::e2e;
using namespace std::chrono_literals;
using resilience::test::PrivateBroker;

namespace {

constexpr Api apis[] = {
    Api::produce,
    Api::fetch,
    Api::list_offsets,
    Api::metadata,
    Api::find_coordinator,
    Api::init_producer_id,
    Api::add_partitions,
    Api::end_transaction};
constexpr Fault faults[] = {
    Fault::cut_before, Fault::cut_after, Fault::delay, Fault::half_open};

// Only in a take-over, which a kill brings about.
bool is_of_take_over(Api api) {
    return api != Api::produce && api != Api::add_partitions &&
           api != Api::end_transaction;
}

/// A broker that clients find through a proxy.
struct Network {
    Network() : broker({}, proxy.port()) { proxy.forward_to(broker.proxied_port()); }

    WorldOptions world() const {
        WorldOptions options;
        options.servers["KAFKA_BROKERS"] = broker.cluster().brokers();
        options.relay["CHAOS_TRANSACTION_TIMEOUT"] = "4000";
        return options;
    }
    Environment through_proxy(Environment more = {}) const {
        more["KAFKA_BROKERS"] = "127.0.0.1:" + std::to_string(proxy.port());
        return more;
    }

    KafkaProxy proxy;
    PrivateBroker broker;
};

// EndTxn of one transaction arrives in the middle of the next one.
Verdict meet_late_end(Network& network, const Environment& guard, int& answer) {
    auto options = network.world();
    options.lanes = 1;
    const World world(options);
    TopicReader reader(world.brokers(), world.topic());
    Instance relay(world, "relay", network.through_proxy(guard), LANE_PROGRAM);
    Writers writers(world.conninfo(), world.writers(4));
    REQUIRE(eventually([&] { return reader.read() > 0; }));
    network.proxy.arm_late_end();
    CHECK(eventually([&] { return network.proxy.late_end_answer().has_value(); }));
    answer = network.proxy.late_end_answer().value_or(-1);
    const auto seen = reader.delivered().size();
    CHECK(eventually([&] {
        reader.read();
        return reader.delivered().size() > seen + 50;
    }));
    writers.stop();
    CHECK(world.drained(reader));
    CHECK_MESSAGE(relay.end(), relay.log());
    return world.verdict(reader);
}

}  // namespace

TEST_CASE("I8: an EndTxn that comes late decides nothing, because of the epoch guard") {
    int answer = 0;
    const Trial with("late EndTxn, guard on");
    Network guarded;
    const auto green = meet_late_end(guarded, {}, answer);
    MESSAGE(with.figures("answered by error " + std::to_string(answer), green));
    CHECK(answer != 0);
    CHECK(green.is_clean());
    // The same without the guard tears a transaction.
    const Trial without("late EndTxn, guard off");
    Network open;
    const auto red = meet_late_end(open, {{"CHAOS_EPOCH_GUARD", "off"}}, answer);
    MESSAGE(without.figures("answered by error " + std::to_string(answer), red));
    CHECK(answer == 0);
    CHECK(red.duplicates > 0);
}

TEST_CASE("I1 to I8: each kind of request is cut, delayed and swallowed") {
    const int rounds = number_from("CHAOS_FAULTS", is_long_form() ? 10 : 1);
    const Trial trial("requests broken");
    Network network;
    const World world(network.world());
    TopicReader reader(world.brokers(), world.topic());
    Instance relay(world, "relay", network.through_proxy(), LANE_PROGRAM);
    Writers writers(world.conninfo(), world.writers());
    REQUIRE(eventually([&] { return reader.read() > 0; }));
    int count = 0;
    for (int round = 0; round < rounds; ++round) {
        for (const auto api : apis) {
            for (const auto fault : faults) {
                CAPTURE(static_cast<int>(api));
                CAPTURE(static_cast<int>(fault));
                network.proxy.arm(api, fault, 300ms);
                if (is_of_take_over(api)) {
                    relay.process().kill();
                    relay.start();
                }
                CHECK(eventually([&] { return network.proxy.fired(); }));
                count += network.proxy.fired();
                // What comes next shall meet a relay that delivers.
                reader.read();
                CHECK(eventually([&] { return reader.read() > 0; }));
            }
        }
    }
    writers.stop();
    CHECK(world.drained(reader));
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto verdict = world.verdict(reader);
    MESSAGE(trial.figures("faults " + std::to_string(count), verdict));
    CHECK(verdict.events >= writers.acknowledged());
    CHECK(verdict.is_clean());
}

TEST_CASE("I7: an unparking that is killed in its transaction keeps no lane from relays"
) {
    const Trial trial("unparking killed");
    Network network;
    auto options = network.world();
    options.lanes = 1;
    options.relay["RELAY_POISON"] = "park_key";
    const World world(options);
    create_topic(world.brokers(), world.topic() + ".parked");
    Instance relay(world, "relay");
    // The time of the event is one that no message can carry.
    Session(world.conninfo())
        .run(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, partition_key, created_at) VALUES (gen_random_uuid(), "
            "'t', 'k', '1', '{}', $1, 'k', 'infinity')",
            {world.topic()}
        );
    TopicReader parked(world.brokers(), world.topic() + ".parked");
    REQUIRE(eventually([&] { return parked.read() > 0; }));
    network.proxy.arm(Api::end_transaction, Fault::half_open);
    auto unpark = start_outbox(world, {"unpark", "k"}, network.through_proxy());
    REQUIRE_MESSAGE(eventually([&] { return network.proxy.fired(); }), unpark.output());
    unpark.kill();
    // A lane is taken over once nothing is open in the partition of its positions.
    const auto positions =
        "resilience." + world.environment().at("DB_NAME") + ".position";
    CHECK(TopicReader(world.brokers(), positions).undecided() == 0);
    relay.process().kill();
    relay.start();
    const auto again = run_outbox(world, {"unpark", "k"});
    CHECK_MESSAGE(again.code == 0, again.text);
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto lanes = world.verdict(parked);
    CHECK_MESSAGE(lanes.is_clean(), lanes.text());
    // What was brought back has no number of a lane.
    TopicReader arrived(world.brokers(), world.topic());
    auto verdict = world.verdict(arrived);
    verdict.lane_faults = lanes.lane_faults;
    MESSAGE(trial.figures("kills 2", verdict));
    CHECK(verdict.is_clean());
    const auto verified = run_outbox(world, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
}
