// SPDX-License-Identifier: MIT
// Disks that are full for a while. The long form alone: it needs the right to mount.
#include <chaos/exactly_once/health.hpp>
#include <chaos/exactly_once/private_postgres.hpp>
#include <chaos/exactly_once/small_disk.hpp>
#include <chaos/exactly_once/world.hpp>
#include <integration/kafka/private_broker.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace resilience::e2e;
using namespace std::chrono_literals;
using resilience::test::PrivateBroker;

namespace {

constexpr const char* no_space = "No space left on device";

int how_often() { return number_from("CHAOS_FULL_DISKS", 5); }

// How often the server had no room, as its log says.
std::size_t refusals(const PrivatePostgres& server) {
    const auto log = server.log();
    std::size_t count = 0;
    for (auto at = log.find(no_space); at != log.npos; at = log.find(no_space, at + 1)) {
        ++count;
    }
    return count;
}

// Somebody makes room, and starts what has ended for want of it.
void bring_back(PrivatePostgres& server) {
    CHECK(eventually(
        [&] {
            if (!server.running()) server.start();
            try {
                Session(conninfo_of(server.environment()));
                return true;
            } catch (const SessionError&) {
                return false;
            }
        },
        60s
    ));
}

void check_progress(TopicReader& reader) {
    const auto before = reader.delivered().size();
    CHECK(eventually(
        [&] {
            reader.read();
            return reader.delivered().size() > before + 100;
        },
        60s
    ));
}

void settle(
    const Trial& trial,
    const World& world,
    TopicReader& reader,
    Writers& writers,
    Instance& relay
) {
    writers.stop();
    CHECK(world.drained(reader));
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto verdict = world.verdict(reader);
    MESSAGE(trial.figures("times " + std::to_string(how_often()), verdict));
    CHECK(verdict.events >= writers.acknowledged());
    CHECK(verdict.is_clean());
}

}  // namespace

TEST_CASE("I2, I6: a disk that is full under PostgreSQL for a while") {
    if (!is_long_form()) return;
    const Trial trial("disk full under PostgreSQL");
    const SmallDisk disk(160);
    PrivatePostgres server(
        {"shared_buffers=16MB", "max_wal_size=8MB", "autovacuum=off"}, disk.path()
    );
    WorldOptions options;
    options.servers = server.environment();
    const World world(options);
    TopicReader reader(world.brokers(), world.topic());
    Instance relay(world, "relay");
    Writers writers(world.conninfo(), world.writers());
    for (int i = 0; i < how_often(); ++i) {
        check_progress(reader);
        // More has to be shown afterwards than there is room for in the table.
        const auto enough = writers.acknowledged() + 600;
        relay.process().signal(SIGSTOP);
        CHECK(eventually([&] { return writers.acknowledged() > enough; }));
        const auto before = refusals(server);
        CHECK(eventually([&] {
            disk.fill();
            return refusals(server) > before;
        }));
        relay.process().signal(SIGCONT);
        // Without room for its log it may end its sessions, and itself.
        eventually(
            [&] {
                disk.fill();
                return !server.running();
            },
            8s
        );
        disk.clear();
        bring_back(server);
        CHECK(is_ready(relay));
    }
    // What was delivered could not be shown, or the server was gone.
    const bool is_said = is_told(relay, "the storage is full", no_space) ||
                         is_told(relay, "lane paused", "server could not be reached");
    CHECK_MESSAGE(is_said, relay.log());
    settle(trial, world, reader, writers, relay);
}

TEST_CASE("I2, I7: a disk that is full under Kafka for a while") {
    if (!is_long_form()) return;
    const Trial trial("disk full under Kafka");
    const SmallDisk disk(96);
    PrivateBroker broker(
        "broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=2000\n"
        "log.dirs=" +
        (disk.path() / "data").string() + '\n'
    );
    WorldOptions options;
    options.servers["KAFKA_BROKERS"] = broker.cluster().brokers();
    const World world(options);
    TopicReader reader(world.brokers(), world.topic());
    Instance relay(world, "relay");
    Writers writers(world.conninfo(), world.writers());
    for (int i = 0; i < how_often(); ++i) {
        check_progress(reader);
        disk.fill();
        CHECK_MESSAGE(is_unready(relay, ""), relay.http().get("/health").body);
        disk.clear();
        // A broker that lost its only folder for records ends.
        broker.kill();
        broker.start();
        CHECK(is_ready(relay));
    }
    CHECK(broker.log().find(no_space) != std::string::npos);
    settle(trial, world, reader, writers, relay);
}
