// SPDX-License-Identifier: MIT
// Snapshots and transactions that somebody holds for the whole run.
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

struct Work {
    double blocks = 0;
    double transactions = 0;
};

Work work_of(Session& session) {
    const auto row = session.run(
        "SELECT blks_hit + blks_read, xact_commit FROM pg_stat_database "
        "WHERE datname = current_database()"
    );
    return {std::stod(row[0][0]), std::stod(row[0][1])};
}

// Blocks that a transaction touches while nothing but polls and a writer elsewhere run,
// which gives each poll a window to look into.
double blocks_per_poll(const World& world) {
    Session session(world.conninfo());
    const auto step = [&] {
        session.run("INSERT INTO chaos_elsewhere VALUES (1)");
        return work_of(session);
    };
    // Sessions tell what they did once a second.
    const auto settled = step().transactions + 500;
    eventually([&] { return step().transactions > settled; });
    const auto before = step();
    eventually([&] { return step().transactions > before.transactions + 3000; });
    const auto after = step();
    return (after.blocks - before.blocks) / (after.transactions - before.transactions);
}

bool is_reported(const World& world) {
    return eventually(
        [&] {
            return Session(world.conninfo())
                       .value("SELECT count(*) FROM outbox_events WHERE status = 'NEW'"
                       ) == "0";
        },
        60s
    );
}

}  // namespace

TEST_CASE("a held snapshot and a held transaction make no poll dearer, and stop nothing"
) {
    const auto enough = static_cast<std::size_t>(
        number_from("CHAOS_HELD_EVENTS", is_long_form() ? 60'000 : 2'500)
    );
    const Trial trial("held snapshot and transaction");
    const World world;
    TopicReader reader(world.brokers(), world.topic());
    Session snapshot(world.conninfo());
    // Nor do statistics ever tell that the table has grown.
    snapshot.run("ALTER TABLE outbox_events SET (autovacuum_enabled = off)");
    Instance relay(world, "relay");
    snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    snapshot.run("SELECT count(*) FROM outbox_events");
    Session transaction(world.conninfo());
    transaction.run("BEGIN");
    transaction.run("SELECT pg_current_xact_id()");
    Writers writers(world.conninfo(), world.writers());
    REQUIRE(eventually([&] { return writers.acknowledged() > enough; }, 1800s));
    writers.stop();
    // Everything goes on behind the two.
    CHECK(world.drained(reader));
    CHECK(is_reported(world));
    const auto blocks = blocks_per_poll(world);
    transaction.run("COMMIT");
    snapshot.run("COMMIT");
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto verdict = world.verdict(reader);
    MESSAGE(trial.figures("blocks per poll " + std::to_string(blocks), verdict));
    CHECK(verdict.is_clean());
    // The table and what is dead in it are hundreds.
    CHECK(blocks < 10);
}
