// SPDX-License-Identifier: MIT
// What PostgreSQL can do to exactly-once delivery: crash, restart, be promoted, be
// copied.
#include <chaos/exactly_once/private_postgres.hpp>
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

// What is committed without waiting for the disk stays in memory for as long as possible.
PrivatePostgres forgetful_server() {
    return PrivatePostgres{
        {"wal_writer_delay=10s",
         "wal_writer_flush_after=1GB",
         "wal_buffers=64MB",
         "checkpoint_timeout=1h",
         "bgwriter_lru_maxpages=0",
         "autovacuum=off",
         "fsync=off"}};
}

WorldOptions on(const PrivatePostgres& server) {
    WorldOptions options;
    options.servers = server.environment();
    return options;
}

// As few as let a consumer see what is taken back afterwards.
WritersOptions careless(const World& world) {
    auto options = world.writers();
    options.synchronous_commit = false;
    options.two_phase = false;
    return options;
}

void pause(std::mt19937& random, unsigned least, unsigned range) {
    std::this_thread::sleep_for(std::chrono::milliseconds(least + random() % range));
}

// A relay that is led to `database` on `server` with the positions of `world` must say
// why it delivers nothing.
void check_refused(
    const World& world, TopicReader& reader, const Environment& where, const char* why
) {
    reader.read();
    const auto before = reader.delivered().size();
    Instance relay(world, "misled", where);
    CHECK_MESSAGE(
        eventually([&] { return relay.log().find(why) != std::string::npos; }),
        relay.log()
    );
    CHECK(eventually([&] { return relay.http().get("/readyz").status == 503; }));
    CHECK_MESSAGE(relay.end(), relay.log());
    reader.read();
    CHECK(reader.delivered().size() == before);
    CHECK(reader.undecided() == 0);
}

// Whoever has looked at what is there says that it goes on there.
Verdict go_on(const World& world, TopicReader& reader, const Environment& where) {
    auto there = world.environment();
    for (const auto& [name, value] : where) there[name] = value;
    there["KAFKA_TOPIC"] = world.topic();
    shell(std::string(OUTBOX) + " rebase --yes", there);
    Instance relay(world, "elsewhere", where);
    const auto before = reader.delivered().size();
    {
        Writers writers(conninfo_of(there), world.writers());
        REQUIRE(eventually([&] { return writers.acknowledged() > 200; }));
    }
    const auto rows = written_in(conninfo_of(there));
    CHECK(rows.size() > before + 200);
    CHECK(eventually([&] {
        reader.read();
        return reader.delivered().size() >= rows.size();
    }));
    CHECK_MESSAGE(relay.end(), relay.log());
    reader.read();
    return judge(rows, reader.delivered(), reader.undecided());
}

}  // namespace

TEST_CASE("I6: kill -9 of PostgreSQL under synchronous_commit=off publishes no ghosts") {
    const int kills = number_from("CHAOS_CRASHES", is_long_form() ? 60 : 6);
    const auto seed = chosen_seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << seed);
    std::mt19937 random(seed);
    const Trial trial("kill -9 of PostgreSQL, gate on");
    auto server = forgetful_server();
    const World world(on(server));
    TopicReader reader(world.brokers(), world.topic());
    std::vector<Instance> instances;
    for (const char* name : {"one", "two"}) instances.emplace_back(world, name);
    Writers writers(world.conninfo(), careless(world));
    for (int i = 0; i < kills; ++i) {
        pause(random, 500, 1500);
        server.kill();
        server.start();
    }
    pause(random, 500, 1);
    // And in order, which its clients notice as well.
    server.stop();
    server.start();
    pause(random, 500, 1);
    writers.stop();
    CHECK(world.drained(reader));
    for (auto& instance : instances) CHECK_MESSAGE(instance.end(), instance.log());
    const auto verdict = world.verdict(reader);
    const auto done = "kills " + std::to_string(kills) + ", answered " +
                      std::to_string(writers.acknowledged());
    MESSAGE(trial.figures(done, verdict));
    CHECK(verdict.events > static_cast<std::size_t>(kills));
    CHECK(verdict.is_clean());
}

TEST_CASE("I6: without the gate the same crash publishes ghosts, and the checker sees it"
) {
    std::mt19937 random(chosen_seed());
    const Trial trial("kill -9 of PostgreSQL, gate off");
    auto server = forgetful_server();
    const World world(on(server));
    TopicReader reader(world.brokers(), world.topic());
    const Instance relay(world, "gateless", {{"CHAOS_GATE", "off"}}, LANE_PROGRAM);
    Writers writers(world.conninfo(), careless(world));
    Verdict verdict;
    int kills = 0;
    while (verdict.phantoms == 0 && kills < 10) {
        pause(random, 1500, 500);
        server.kill();
        ++kills;
        server.start();
        verdict = world.verdict(reader);
    }
    MESSAGE(trial.figures("kills " + std::to_string(kills), verdict));
    CHECK(verdict.phantoms > 0);
    writers.stop();
}

TEST_CASE("I11: a promoted standby is refused, until it is rebased") {
    const Trial trial("promotion of a standby");
    PrivatePostgres primary{{"fsync=off"}};
    const World world(on(primary));
    TopicReader reader(world.brokers(), world.topic());
    auto standby = PrivatePostgres::standby_of(primary);
    Instance relay(world, "one");
    {
        Writers writers(world.conninfo(), world.writers());
        REQUIRE(eventually([&] { return writers.acknowledged() > 200; }));
    }
    CHECK(world.drained(reader));
    CHECK(relay.end());
    const auto verdict = world.verdict(reader);
    CHECK(verdict.is_clean());
    // A standby has snapshots of its own.
    const Environment there{{"DB_PORT", standby.environment().at("DB_PORT")}};
    check_refused(world, reader, there, "standby");
    Session session(conninfo_of(primary.environment()));
    REQUIRE(eventually([&] {
        return session.value(
                   "SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_lsn()), false) "
                   "FROM pg_stat_replication"
               ) == "t";
    }));
    primary.kill();
    standby.promote();
    check_refused(world, reader, there, "timeline");
    const auto then = go_on(world, reader, there);
    MESSAGE(trial.figures("refused, rebased", then));
    CHECK(then.is_clean());
}

TEST_CASE("I11: a table that was dumped and restored is refused, until it is rebased") {
    const Trial trial("dump and restore");
    PrivatePostgres server{{"fsync=off"}};
    const World world(on(server));
    TopicReader reader(world.brokers(), world.topic());
    Instance relay(world, "one");
    {
        Writers writers(world.conninfo(), world.writers());
        REQUIRE(eventually([&] { return writers.acknowledged() > 200; }));
    }
    CHECK(world.drained(reader));
    CHECK(relay.end());
    const auto verdict = world.verdict(reader);
    CHECK(verdict.is_clean());
    const auto& name = world.environment().at("DB_NAME");
    const auto& port = world.environment().at("DB_PORT");
    const auto where = " -h 127.0.0.1 -U postgres -p " + port;
    server.run("pg_dump -Fc -f dump" + where + " " + name);
    server.run("createdb" + where + " restored");
    server.run("pg_restore -d restored" + where + " dump");
    const Environment there{{"DB_NAME", "restored"}, {"RELAY_OUTBOX", name}};
    check_refused(world, reader, there, "database");
    const auto then = go_on(world, reader, there);
    MESSAGE(trial.figures("refused, rebased", then));
    CHECK(then.is_clean());
}
