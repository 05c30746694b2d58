// SPDX-License-Identifier: MIT
// Snapshots and transactions that somebody holds for the whole run.
#include <chaos/exactly_once/latency_probe.hpp>
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <iomanip>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

// The table and what is dead in it are hundreds.
constexpr double most_blocks = 10;
// What is shorter may be anything on a busy machine.
constexpr LatencyProbe::Latency shortest = 20ms;

double milliseconds(LatencyProbe::Latency time) {
    return static_cast<double>(time.count()) / 1000;
}

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
// which gives each poll a window to look into. A session may tell late what it did
// before, so the best of some slices counts; a poll that looks through its lane does in
// each.
double blocks_per_poll(const World& world) {
    Session session(world.conninfo());
    const auto step = [&] {
        session.run("INSERT INTO chaos_elsewhere VALUES (1)");
        return work_of(session);
    };
    double best = std::numeric_limits<double>::max();
    for (int slice = 0; slice < 3 && best > most_blocks; ++slice) {
        const auto before = step();
        eventually([&] { return step().transactions > before.transactions + 2500; });
        const auto after = step();
        const auto transactions = after.transactions - before.transactions;
        best = std::min(best, (after.blocks - before.blocks) / transactions);
    }
    return best;
}

// The table and its indexes, and what was ever written into them: nothing of it can be
// cleaned away as long as the snapshot is held. What was rolled back is among it.
struct Disk {
    double bytes = 0;
    double row = 0;
    double inserted = 0;
    double updated = 0;

    // Each version is once in the heap and in the four indexes that it can be in, of
    // which the pages are half full at worst.
    double most() const {
        constexpr double entries = 28 + 28 + 20 + 20;
        constexpr double fill_factor = 0.8;
        return (inserted + updated) * (row / fill_factor + 2 * entries) + 200'000;
    }
};

Disk disk_of(Session& session) {
    const auto row = session.run(
        "SELECT pg_total_relation_size(relid), n_tup_ins, n_tup_upd FROM "
        "pg_stat_user_tables WHERE relname = 'outbox_events'"
    );
    return {
        .bytes = std::stod(row[0][0]),
        .row = std::stod(session.value(
            "SELECT coalesce(avg(pg_column_size(e)), 300) FROM outbox_events e"
        )),
        .inserted = std::stod(row[0][1]),
        .updated = std::stod(row[0][2])};
}

// Whether the report has caught up: rows are SENT, or gone.
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

// Somebody who holds a snapshot and a transaction.
struct Holder {
    explicit Holder(const World& world)
        : snapshot(world.conninfo()), transaction(world.conninfo()) {
        snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        snapshot.run("SELECT count(*) FROM outbox_events");
        transaction.run("BEGIN");
        transaction.run("SELECT pg_current_xact_id()");
    }
    void release() {
        transaction.run("COMMIT");
        snapshot.run("COMMIT");
    }

    Session snapshot;
    Session transaction;
};

void check_held(const char* what, const WorldOptions& options, std::size_t enough) {
    const Trial trial(what);
    const World world(options);
    Session session(world.conninfo());
    // Nor do statistics ever tell that the table has grown.
    session.run("ALTER TABLE outbox_events SET (autovacuum_enabled = off)");
    Instance relay(world, "relay");
    std::vector<TopicReader> readers;
    readers.emplace_back(world.brokers(), world.topic());
    LatencyProbe probe(world);
    Holder holder(world);
    std::size_t acknowledged = 0;
    {
        Writers writers(world.conninfo(), world.writers());
        while (writers.acknowledged() < enough) REQUIRE(probe.send_one());
        writers.stop();
        acknowledged = writers.acknowledged() + probe.count();
    }
    // Everything goes on behind the two.
    readers.push_back(std::move(probe.reader()));
    CHECK(world.drained(readers));
    CHECK(is_reported(world));
    const auto blocks = blocks_per_poll(world);
    // With it end its sessions, which tell all that they did.
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto disk = disk_of(session);
    holder.release();
    const auto verdict = world.verdict(readers);
    session.run("VACUUM outbox_events");
    const auto after = disk_of(session);

    std::ostringstream done;
    const auto rows = static_cast<double>(verdict.events);
    done << "blocks per poll " << blocks << ", ms on the way " << std::setprecision(3)
         << milliseconds(probe.first_median()) << " and then "
         << milliseconds(probe.last_median()) << " of " << probe.count()
         << " probes, versions per row " << (disk.inserted + disk.updated) / rows
         << ", bytes per row " << disk.bytes / rows << " of at most "
         << disk.most() / rows << ", " << after.bytes / rows << " when let go";
    MESSAGE(trial.figures(done.str(), verdict));
    CHECK(verdict.is_clean());
    CHECK(verdict.events >= acknowledged);
    CHECK(blocks < most_blocks);
    CHECK(probe.last_median() < 5 * std::max(probe.first_median(), shortest));
    CHECK(disk.bytes < disk.most());
    // A row is changed once, or not where it is removed, which writes nothing.
    if (options.keeps_copies) {
        CHECK(disk.updated == 0);
        CHECK(after.bytes < disk.bytes / 2);
    } else {
        CHECK(disk.updated <= rows);
    }
}

}  // namespace

TEST_CASE("a held snapshot and a held transaction: latency flat, disk bounded") {
    const auto enough = static_cast<std::size_t>(
        number_from("CHAOS_HELD_EVENTS", is_long_form() ? 60'000 : 1'500)
    );
    check_held("held snapshot and transaction", {}, enough);
    if (!is_long_form()) return;
    WorldOptions options;
    options.relay["RELAY_RETENTION"] = "0";
    options.keeps_copies = true;
    check_held("the same, delivered rows removed", options, enough);
}
