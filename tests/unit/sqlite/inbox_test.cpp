// SPDX-License-Identifier: MIT
#include "unit/sqlite/sqlite_fixture.hpp"

#include <resilience/sqlite/inbox.hpp>

using namespace resilience;
using namespace resilience::sqlite;
using namespace resilience::sqlite::test;
using namespace std::chrono_literals;

namespace {

struct World {
    Folder folder;
    net::io_context io;
    Database database{io.get_executor(), {.path = folder.file()}};
    Inbox inbox{{.consumer = "mail"}};

    World() {
        const auto path = "migrations/sqlite/0005_inbox_events.up.sql";
        REQUIRE(script(io, database, read_file(tests::source_path(path))));
    }
    bool take(const Inbox& by, const std::string& id, bool commit = true) {
        auto transaction = begin(io, database);
        const auto taken = run(io, by.take(transaction, id));
        if (!taken) FAIL(taken.error().message());
        const auto ended = commit ? wait<void>(io, transaction.async_commit())
                                  : wait<void>(io, transaction.async_rollback());
        REQUIRE(ended.has_value());
        return *taken;
    }
    std::int64_t prune(std::chrono::milliseconds older_than, std::int64_t limit) {
        auto transaction = begin(io, database);
        const auto gone = run(io, inbox.prune(transaction, older_than, limit));
        if (!gone) FAIL(gone.error().message());
        REQUIRE(wait<void>(io, transaction.async_commit()).has_value());
        return *gone;
    }
    std::int64_t count() {
        return number(execute(io, database, "SELECT count(*) FROM inbox_events"));
    }
};

}  // namespace

TEST_CASE("An inbox in SQLite takes an event once for each consumer") {
    World world;
    CHECK(world.take(world.inbox, "a"));
    CHECK_FALSE(world.take(world.inbox, "a"));
    CHECK(world.take(world.inbox, "b"));
    CHECK(world.take(Inbox{{.consumer = "stock"}}, "a"));
}

TEST_CASE("An inbox in SQLite forgets what was rolled back") {
    World world;
    CHECK(world.take(world.inbox, "a", false));
    CHECK(world.take(world.inbox, "a"));
}

TEST_CASE("An inbox in SQLite refuses what is no identity, and goes on") {
    World world;
    auto transaction = begin(world.io, world.database);
    const auto refused = run(world.io, world.inbox.take(transaction, ""));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == Errc::invalid_request);
    CHECK(run(world.io, world.inbox.take(transaction, "a")).value());
}

TEST_CASE("An inbox in SQLite removes the oldest rows of its consumer, so many at once") {
    World world;
    CHECK(world.take(Inbox{{.consumer = "stock"}}, "a"));
    for (const char* id : {"z", "b", "c"}) CHECK(world.take(world.inbox, id));
    REQUIRE(execute(
        world.io,
        world.database,
        "UPDATE inbox_events SET received_at = CASE event_id"
        " WHEN 'z' THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-10.5 seconds')"
        " WHEN 'b' THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-5 seconds')"
        " ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+100 seconds') END"
    ));
    CHECK(world.prune(1h, 10) == 0);
    CHECK(world.prune(0ms, 1) == 1);
    CHECK_FALSE(world.take(world.inbox, "b"));
    CHECK(world.take(world.inbox, "z"));
    CHECK(world.prune(4500ms, 10) == 1);
    CHECK(world.take(world.inbox, "b"));
    CHECK_FALSE(world.take(world.inbox, "c"));
    CHECK(world.count() == 4);
}
