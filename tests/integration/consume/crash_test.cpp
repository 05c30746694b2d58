// SPDX-License-Identifier: MIT
#include "e2e/harness/process.hpp"
#include "integration/kafka/cluster.hpp"
#include "integration/kafka/foreign_transaction.hpp"
#include "integration/postgres/server.hpp"

#include <resilience/kafka/consumer.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace resilience;
using resilience::e2e::Process;
using resilience::test::Cluster;
using resilience::test::unique_name;
using namespace std::chrono_literals;

namespace {

// A topic of events, and a database where each has its effect.
class World {
public:
    explicit World(int partitions)
        : cluster_(Cluster::of_environment()),
          topic_(cluster_.make_topic("crash", partitions)) {
        schema_.script(postgres_tests::Schema::migration("0005_inbox_events.up.sql"));
        schema_.script("CREATE TABLE effects (event_id text NOT NULL)");
    }

    // Some of them twice, as a relay that is at least once sends them.
    void produce(int events, int repeated) {
        std::vector<kafka::Message> messages;
        for (int i = 0; i < events + repeated; ++i) {
            const std::string id = std::to_string(events_ + i % events);
            messages.push_back(
                {.topic = topic_, .key = id, .value = id, .headers = {{"ce_id", id}}}
            );
        }
        events_ += events;
        net::io_context io;
        kafka::Producer producer{io.get_executor(), cluster_.options()};
        const auto send = [&]() -> net::awaitable<kafka::Producer::Reports> {
            co_return co_await producer.async_produce_batch(
                std::move(messages), net::use_awaitable
            );
        };
        for (const auto& report : test::run(io, send())) REQUIRE(report.has_value());
    }

    Process member(int die_at_commit, const std::string& inbox, int number = 1) {
        const auto server = postgres_tests::server();
        return Process(
            {CONSUME_MEMBER},
            {{"KAFKA_BROKERS", cluster_.brokers()},
             {"GROUP", group_},
             {"TOPIC", topic_},
             {"MEMBER", std::to_string(number)},
             {"INBOX", inbox},
             {"DIE_AT_COMMIT", std::to_string(die_at_commit)},
             {"DB_HOST", server.host},
             {"DB_PORT", std::to_string(server.port)},
             {"DB_USER", server.user},
             {"DB_PASSWORD", server.password},
             {"DB_NAME", server.database},
             {"DB_SCHEMA", value("SELECT current_schema()")}},
            folder_.path() / ("member" + std::to_string(++members_))
        );
    }

    void await_effects() {
        const auto deadline = Clock::now() + 90s;
        while (value("SELECT count(DISTINCT event_id) FROM effects") !=
               std::to_string(events_)) {
            REQUIRE(Clock::now() < deadline);
        }
    }

    std::string value(const std::string& sql) const {
        std::string text;
        postgres_tests::run([&](net::io_context&) -> net::awaitable<void> {
            auto connection = co_await postgres_tests::connected(schema_.options());
            text = co_await postgres_tests::value(connection, sql);
        });
        return text;
    }

    int doubles() const {
        return std::stoi(value("SELECT count(*) - count(DISTINCT event_id) FROM effects")
        );
    }
    const std::string& topic() const { return topic_; }
    const Cluster& cluster() const { return cluster_; }

private:
    Cluster cluster_;
    std::string topic_;
    std::string group_ = unique_name("group");
    postgres_tests::Schema schema_;
    e2e::ScratchFolder folder_;
    int events_ = 0;
    int members_ = 0;
};

}  // namespace

TEST_CASE("a consumer killed between effect and offset has each effect once") {
    for (const bool with_inbox : {true, false}) {
        CAPTURE(with_inbox);
        World world(1);
        world.produce(60, 3);
        for (int i = 0; i < 5; ++i) {
            // Without an inbox: one that nobody finds again.
            auto member = world.member(2, with_inbox ? "stock" : unique_name("inbox"));
            CHECK(member.wait(60s) == 128 + SIGKILL);
        }
        {
            auto member = world.member(0, with_inbox ? "stock" : unique_name("inbox"));
            world.await_effects();
        }
        // Each of the killed had committed effects whose offsets it had not.
        if (with_inbox) {
            CHECK(world.doubles() == 0);
        } else {
            CHECK(world.doubles() >= 5);
        }
    }
}

TEST_CASE("two consumers killed at random have each effect once, of no aborted event") {
    World world(4);
    std::mt19937 random{20260301};
    std::vector<Process> members;
    for (int i = 0; i < 2; ++i) members.push_back(world.member(0, "stock", i));
    for (int round = 0; round < 12; ++round) {
        world.produce(40, 10);
        test::ForeignTransaction(world.cluster(), world.topic()).abort();
        const auto victim = random() % 2;
        // It dies wherever it happens to be.
        (void)members[1 - victim].wait(std::chrono::milliseconds{random() % 700});
        members[victim].kill();
        members[victim] = world.member(0, "stock", static_cast<int>(victim));
    }
    world.await_effects();
    CHECK(world.doubles() == 0);
    CHECK(world.value("SELECT count(*) FROM effects WHERE event_id = 'x'") == "0");
    const auto repeated = world.value("SELECT count(*) FROM inbox_events");
    CHECK(repeated == "480");
}
