// SPDX-License-Identifier: MIT
// Events that can never be delivered become dead letters, each once and in its place.
#include <chaos/exactly_once/oversize.hpp>
#include <chaos/exactly_once/topic_admin.hpp>
#include <chaos/exactly_once/world.hpp>
#include <integration/kafka/private_broker.hpp>

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;
using resilience::Event;

namespace {

// Of a thousand events: ten above the limit of the topic, two above that of the producer.
void poison(Event& event, std::mt19937& random) {
    const auto dice = random() % 1000;
    if (dice < 10) event.event_data = oversize(random);
    if (dice >= 998) event.event_data = oversize(random, 1'200'000);
}

// And ten whose time no message can carry.
constexpr const char* spoil_rows =
    "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN NEW.created_at = ''infinity''; RETURN NEW; END'";
constexpr const char* spoil_some =
    "CREATE TRIGGER spoil BEFORE INSERT ON outbox_events FOR EACH ROW "
    "WHEN (random() < 0.01) EXECUTE FUNCTION spoil()";

std::set<std::string> poisoned_rows(const World& world) {
    std::set<std::string> ids;
    for (const auto& row : Session(world.conninfo())
                               .run(
                                   "SELECT id FROM outbox_events WHERE created_at = "
                                   "'infinity' OR length(event_data::text) > $1::int",
                                   {std::to_string(topic_limit)}
                               )) {
        ids.insert(row[0]);
    }
    return ids;
}

}  // namespace

TEST_CASE("I2: poison, oversize and a missing topic: delivered or dead-lettered, once") {
    const Trial trial("poison");
    const resilience::test::PrivateBroker broker;
    WorldOptions where;
    where.servers["KAFKA_BROKERS"] = broker.cluster().brokers();
    where.relay["RELAY_POISON"] = "dlq";
    where.topic_settings["max.message.bytes"] = std::to_string(topic_limit);
    const World world(where);
    Session session(world.conninfo());
    session.run(spoil_rows);
    session.run(spoil_some);
    const auto late = world.topic() + "-late";
    const std::map<std::string, std::string> limit{
        {"max.message.bytes", std::to_string(topic_limit)}};
    create_topic(world.brokers(), world.topic() + ".dlq");
    create_topic(world.brokers(), late + ".dlq");

    Instance relay(world, "relay");
    auto options = world.writers();
    options.shape = [&](Event& event, std::mt19937& random) {
        poison(event, random);
        if (event.aggregate_id == "k1" || event.aggregate_id == "k7") event.topic = late;
    };
    Writers writers(world.conninfo(), options);
    const auto enough = static_cast<std::size_t>(
        number_from("CHAOS_POISON_EVENTS", is_long_form() ? 30'000 : 1'500)
    );
    REQUIRE(eventually([&] { return writers.acknowledged() > enough; }, 600s));
    create_topic(world.brokers(), late, limit);
    writers.stop();

    std::vector<TopicReader> readers;
    for (const auto& topic :
         {world.topic(), late, world.topic() + ".dlq", late + ".dlq"}) {
        readers.emplace_back(world.brokers(), topic);
    }
    CHECK(world.drained(readers));
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto verdict = world.verdict(readers);
    std::set<std::string> dead;
    for (std::size_t i = 2; i < 4; ++i) {
        for (const auto& one : readers[i].delivered()) dead.insert(one.id);
    }
    MESSAGE(trial.figures("dead letters " + std::to_string(dead.size()), verdict));
    CHECK(verdict.is_clean());
    CHECK(dead.size() > 10);
    // Nobody else was taken for poison.
    CHECK(dead == poisoned_rows(world));
}
