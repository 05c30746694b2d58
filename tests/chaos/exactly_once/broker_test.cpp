// SPDX-License-Identifier: MIT
// What a broker can do to exactly-once delivery: crash, refuse, give a transaction up.
#include <chaos/exactly_once/health.hpp>
#include <chaos/exactly_once/topic_admin.hpp>
#include <chaos/exactly_once/world.hpp>
#include <integration/kafka/private_broker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;
using resilience::Event;
using resilience::test::PrivateBroker;

namespace {

// After a crash a broker may register again only when its old session is over; and what a
// transaction that takes too long waits for is looked at often.
PrivateBroker quick_broker() {
    return PrivateBroker{
        "broker.heartbeat.interval.ms=500\n"
        "broker.session.timeout.ms=2000\n"
        "transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n"
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
        "allow.everyone.if.no.acl.found=true\n"};
}

WorldOptions on(const PrivateBroker& broker) {
    WorldOptions options;
    options.servers["KAFKA_BROKERS"] = broker.cluster().brokers();
    return options;
}

// Text that does not become smaller.
std::string noise(std::mt19937& random, std::size_t size) {
    std::string text(size, ' ');
    for (auto& c : text) c = static_cast<char>('A' + random() % 26);
    return text;
}

void settle(
    const Trial& trial,
    const std::string& done,
    const World& world,
    std::vector<TopicReader>& readers,
    Writers& writers,
    Instance& relay
) {
    writers.stop();
    CHECK(world.drained(readers));
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto verdict = world.verdict(readers);
    MESSAGE(trial.figures(done, verdict));
    CHECK(verdict.events >= writers.acknowledged());
    CHECK(verdict.is_clean());
}

void miss_a_topic(const PrivateBroker& broker) {
    const Trial trial("topic missing");
    const World world(on(broker));
    const auto late = world.topic() + "-late";
    auto options = world.writers();
    options.shape = [&](Event& event, std::mt19937&) {
        if (event.aggregate_id == "k1" || event.aggregate_id == "k7") event.topic = late;
    };
    Instance relay(world, "relay");
    Writers writers(world.conninfo(), options);
    CHECK_MESSAGE(is_unready(relay, late), relay.http().get("/health").body);
    CHECK_MESSAGE(is_told(relay, "lane halted", "topic", late), relay.log());
    create_topic(world.brokers(), late);
    std::vector<TopicReader> readers;
    readers.emplace_back(world.brokers(), world.topic());
    readers.emplace_back(world.brokers(), late);
    CHECK(is_ready(relay));
    settle(trial, "halted", world, readers, writers, relay);
    CHECK(readers[1].delivered().size() > 0);
}

void refuse_sizes(const PrivateBroker& broker) {
    const Trial trial("sizes refused");
    const World world(on(broker));
    auto options = world.writers();
    options.shape = [](Event& event, std::mt19937& random) {
        if (random() % 50 == 0) event.event_data = '"' + noise(random, 20'000) + '"';
    };
    Instance relay(world, "relay");
    Writers writers(world.conninfo(), options);
    std::vector<TopicReader> readers;
    readers.emplace_back(world.brokers(), world.topic());
    REQUIRE(eventually([&] { return writers.acknowledged() > 200; }));
    change_topic(world.brokers(), world.topic(), {{"max.message.bytes", "8000"}});
    CHECK_MESSAGE(is_unready(relay, "is halted"), relay.http().get("/health").body);
    CHECK_MESSAGE(is_told(relay, "lane halted", "too large", world.topic()), relay.log());
    change_topic(world.brokers(), world.topic(), {});
    CHECK(is_ready(relay));
    settle(trial, "halted", world, readers, writers, relay);
}

// A right that is taken away under load: the relay says which, and goes on when it is
// given back.
void deny(const PrivateBroker& broker, const char* what) {
    const Trial trial(std::string(what) + " denied");
    const World world(on(broker));
    const auto denied =
        std::string{what} == "topic"
            ? world.topic()
            : "resilience." + world.environment().at("DB_NAME") + ".position";
    Instance relay(world, "relay");
    Writers writers(world.conninfo(), world.writers());
    std::vector<TopicReader> readers;
    readers.emplace_back(world.brokers(), world.topic());
    REQUIRE(eventually([&] { return readers[0].read() > 0; }));
    for (const auto right : {Right::write, Right::describe_settings, Right::read}) {
        give(world.brokers(), denied, right);
    }
    take(world.brokers(), denied, Right::write);
    CHECK_MESSAGE(is_unready(relay, denied), relay.http().get("/health").body);
    CHECK_MESSAGE(is_told(relay, "lane halted", "the permission", denied), relay.log());
    give(world.brokers(), denied, Right::write);
    CHECK(is_ready(relay));
    settle(trial, "halted", world, readers, writers, relay);
}

void outlast_a_transaction(const PrivateBroker& broker) {
    const Trial trial("transaction timed out");
    const World world(on(broker));
    std::vector<TopicReader> readers;
    readers.emplace_back(world.brokers(), world.topic());
    Instance relay(
        world,
        "slow",
        {{"CHAOS_FAILPOINT", "before commit"},
         {"CHAOS_FAILPOINT_NTH", "9"},
         {"CHAOS_FAILPOINT_SIGNAL", "STOP"},
         {"CHAOS_TRANSACTION_TIMEOUT", "1500"}},
        LANE_PROGRAM
    );
    Writers writers(world.conninfo(), world.writers());
    REQUIRE(eventually([&] { return relay.process().stopped(); }));
    // The coordinator gives it up, soon or already.
    CHECK(eventually([&] { return readers[0].undecided() == 0; }));
    relay.process().signal(SIGCONT);
    // Its commit is refused, which it tells.
    CHECK(eventually([&] { return relay.log().find("lane ") != std::string::npos; }));
    settle(trial, "given up by the broker", world, readers, writers, relay);
}

}  // namespace

TEST_CASE("I2: what a broker refuses or gives up for a while is delivered once, later") {
    const auto broker = quick_broker();
    miss_a_topic(broker);
    refuse_sizes(broker);
    deny(broker, "topic");
    if (is_long_form()) deny(broker, "position");
    outlast_a_transaction(broker);
}

TEST_CASE("I2, I7: a broker that is killed and started again under load") {
    const int kills = number_from("CHAOS_BROKER_KILLS", is_long_form() ? 20 : 2);
    const auto seed = chosen_seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << seed);
    std::mt19937 random(seed);
    const Trial trial("kill -9 of the broker");
    auto broker = quick_broker();
    const World world(on(broker));
    std::vector<TopicReader> readers;
    readers.emplace_back(world.brokers(), world.topic());
    Instance relay(world, "relay");
    Writers writers(world.conninfo(), world.writers());
    for (int i = 0; i < kills; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1000 + random() % 1000));
        broker.kill();
        broker.start();
    }
    settle(trial, "kills " + std::to_string(kills), world, readers, writers, relay);
}
