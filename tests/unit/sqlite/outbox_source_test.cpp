// SPDX-License-Identifier: MIT
#include "contracts/claim_source.hpp"
#include "src/sqlite/outbox_sql.hpp"
#include "unit/sqlite/sqlite_fixture.hpp"

#include <resilience/detail/rfc3339.hpp>
#include <resilience/outbox.hpp>
#include <resilience/sqlite/outbox_source.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <sstream>

using namespace resilience;
using namespace resilience::sqlite;
using namespace resilience::sqlite::test;
using namespace std::chrono_literals;
using contract::event_id;
using contract::make_event;

namespace {

// A table on a file, written to through one connection and claimed from through another,
// as by a server and a relay.
class World final : public contract::ClaimSourceFixture {
public:
    explicit World(OutboxSourceOptions source = {}) : source_options(std::move(source)) {
        REQUIRE(script(io, writer, outbox_schema()));
        source_options.now = [this] { return now; };
    }
    std::unique_ptr<ClaimSource> make_source() override { return source(); }
    std::unique_ptr<OutboxSource> source() {
        return std::make_unique<OutboxSource>(database, source_options);
    }
    void append(Event event) override {
        auto t = begin(io, writer);
        const Outbox outbox;
        REQUIRE(run(io, outbox.append(t, std::move(event))).has_value());
        REQUIRE(wait<void>(io, t.async_commit()));
    }
    contract::RowState row(const std::string& id) override {
        const auto rows = execute(
            io,
            writer,
            "SELECT status, retry_count, error_message, processed_at FROM outbox_events"
            " WHERE id = ?1",
            parameters(id)
        );
        REQUIRE(rows->size() == 1);
        const auto row = (*rows)[0];
        return {
            std::string{row.text(0)},
            static_cast<std::int32_t>(row.int64(1).value()),
            std::string{row.text(2)},
            !row.is_null(3)};
    }
    void refuse(const std::string& id, const std::string& status) override {
        const auto condition = "NEW.id = '" + id + "' AND NEW.status = '" + status + "'";
        REQUIRE(script(
            io,
            writer,
            "CREATE TRIGGER refuse_" + status + " BEFORE UPDATE ON outbox_events WHEN " +
                condition + " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ));
    }
    net::io_context& context() override { return io; }

    std::vector<ClaimedEvent> claim(OutboxSource& from, std::size_t limit = 100) {
        return run(io, from.claim(limit)).value();
    }
    std::vector<std::string> ids(OutboxSource& from) {
        std::vector<std::string> all;
        for (const auto& one : claim(from)) all.push_back(one.event.id);
        return all;
    }
    void settle(OutboxSource& from, std::vector<Settlement> verdicts) {
        REQUIRE(run(io, from.settle(std::move(verdicts))).has_value());
    }

    Folder folder;
    net::io_context io;
    Database writer{io.get_executor(), {.path = folder.file()}};
    Database database{io.get_executor(), {.path = folder.file()}};
    WallClock::time_point now = WallClock::now();
    OutboxSourceOptions source_options;
};

std::string plan_of(World& world, const std::string& sql) {
    std::string plan;
    const std::string explain = "EXPLAIN QUERY PLAN " + sql;
    std::size_t count = 0;
    while (sql.find("?" + std::to_string(count + 1)) != std::string::npos) ++count;
    const auto rows =
        execute(world.io, world.writer, explain, std::vector<Parameter>(count));
    REQUIRE(rows.has_value());
    for (const auto row : *rows) plan += std::string{row.text(3)} + "\n";
    return plan;
}

}  // namespace

TEST_CASE("O7: the SQLite source keeps the contract of claim sources") {
    contract::check_claim_source([] { return std::make_unique<World>(); });
}

TEST_CASE("O7: a retry is due when its delay has passed, to the millisecond") {
    World world;
    const auto source = world.source();
    world.append(make_event(1, "a"));
    const auto seq = world.claim(*source).at(0).seq;
    world.settle(*source, {{seq, Disposition::retry, 1500ms, "broken"}});
    world.now += 1499ms;
    CHECK(world.claim(*source).empty());
    world.now += 1ms;
    CHECK(world.claim(*source).size() == 1);
}

TEST_CASE("O7: a claim is stale when it is as old as asked for, to the millisecond") {
    World world;
    const auto source = world.source();
    world.append(make_event(1, "a"));
    CHECK(world.claim(*source).size() == 1);
    world.now += 59'999ms;
    CHECK(run(world.io, source->reset_stale(60s)).value() == 0);
    world.now += 1ms;
    CHECK(run(world.io, source->reset_stale(60s)).value() == 1);
    CHECK(world.claim(*source).size() == 1);
}

TEST_CASE("a claim ends with the row that reaches max_batch_bytes") {
    World world({.max_batch_bytes = 1000});
    const auto source = world.source();
    for (int i = 1; i <= 4; ++i) {
        auto event = make_event(i, "k" + std::to_string(i));
        event.event_data = "\"" + std::string(600, 'x') + "\"";
        world.append(event);
    }
    CHECK(world.claim(*source).size() == 2);
    CHECK(world.claim(*source).size() == 2);
    CHECK(world.claim(*source).empty());
}

TEST_CASE("O9: rows without a key are kept in order by their aggregate") {
    World world;
    const auto source = world.source();
    for (int i = 1; i <= 3; ++i) world.append(make_event(i, i == 2 ? "b" : "a"));
    REQUIRE(
        execute(world.io, world.writer, "UPDATE outbox_events SET partition_key = NULL")
    );
    const auto first = world.claim(*source, 1);
    REQUIRE(first.size() == 1);
    CHECK(first[0].event.partition_key == "a");
    CHECK(world.ids(*source) == std::vector{event_id(2)});
    world.settle(*source, {{first[0].seq, Disposition::retry, 1h, "broken"}});
    CHECK(world.claim(*source).empty());
    world.now += 1h;
    CHECK(world.ids(*source) == std::vector{event_id(1), event_id(3)});
}

TEST_CASE("O5: a time that the clock does not reach is a defect, never another time") {
    World world;
    const auto source = world.source();
    const std::pair<const char*, const char*> times[] = {
        {"2026-01-31T23:59:59.123456Z", "2026-01-31T23:59:59.123456Z"},
        {"2026-01-31 23:59:59", "2026-01-31T23:59:59.000000Z"},
        {"2026-01-31 23:59:59.123", "2026-01-31T23:59:59.123000Z"},
        {"1678-01-01T00:00:00Z", "1678-01-01T00:00:00.000000Z"},
        {"2261-12-31T23:59:59.999999Z", "2261-12-31T23:59:59.999999Z"},
        {"1677-12-31T23:59:59Z", nullptr},
        {"2262-01-01T00:00:00Z", nullptr},
        {"0001-01-01T00:00:00Z", nullptr},
        {"9999-12-31T23:59:59Z", nullptr},
        {"yesterday", nullptr},
        {"", nullptr}};
    int number = 0;
    for (const auto& [text, shown] : times) {
        ++number;
        world.append(make_event(number, "k" + std::to_string(number)));
        auto values = parameters(text, event_id(number));
        REQUIRE(execute(
            world.io,
            world.writer,
            "UPDATE outbox_events SET created_at = ?1 WHERE id = ?2",
            std::move(values)
        ));
        const auto claimed = world.claim(*source);
        REQUIRE(claimed.size() == 1);
        CHECK(claimed[0].defect.empty() == (shown != nullptr));
        REQUIRE(claimed[0].event.created_at.has_value() == (shown != nullptr));
        if (shown == nullptr) {
            CHECK(claimed[0].defect.starts_with("created_at: "));
        } else {
            CHECK(
                resilience::detail::format_rfc3339(*claimed[0].event.created_at) == shown
            );
        }
    }
}

TEST_CASE("an error message is kept short and is text whatever the destination said") {
    World world;
    const auto source = world.source();
    world.append(make_event(1, "a"));
    const auto verdict = [&](std::string error) {
        const auto seq = world.claim(*source).at(0).seq;
        world.settle(*source, {{seq, Disposition::retry, 0ms, std::move(error)}});
        return world.row(event_id(1)).error_message;
    };
    CHECK(verdict(std::string("a\0b\xff", 4)) == "a?b?");
    std::string euros;
    for (int i = 0; i < 1000; ++i) euros += "\xe2\x82\xac";
    CHECK(verdict(euros) == euros.substr(0, 1998));
    // A release keeps the error of the failure before it.
    const auto seq = world.claim(*source).at(0).seq;
    world.settle(*source, {{seq, Disposition::released}});
    CHECK(world.row(event_id(1)).error_message.size() == 1998);
}

TEST_CASE(
    "O7: a row whose count of failures is as large as can be is settled all the same"
) {
    World world;
    const auto source = world.source();
    world.append(make_event(1, "a"));
    REQUIRE(execute(
        world.io,
        world.writer,
        "UPDATE outbox_events SET retry_count = 9223372036854775807"
    ));
    const auto claimed = world.claim(*source);
    REQUIRE(claimed.size() == 1);
    CHECK(claimed[0].retry_count == 2147483647);
    world.settle(*source, {{claimed[0].seq, Disposition::failed, 0ms, "given up"}});
    const auto row = world.row(event_id(1));
    CHECK(row.status == "FAILED");
    CHECK(row.retry_count == 2147483647);
}

TEST_CASE("depth stops counting at max_depth, and is never negative in time") {
    World world({.max_depth = 3});
    const auto source = world.source();
    for (int i = 1; i <= 5; ++i) world.append(make_event(i, "a"));
    world.now -= 24h;
    const auto depth = run(world.io, source->depth()).value();
    CHECK(depth.events == 3);
    CHECK(depth.oldest == 0ms);
}

TEST_CASE("no statement of the source reads rows that are done") {
    World world;
    for (const char* sql :
         {sql::any_due,
          sql::next_due,
          sql::stale_rows,
          sql::free_stale_row,
          sql::give_up,
          sql::claim_due,
          sql::apply_verdicts,
          sql::free_stale,
          sql::measure}) {
        const auto plan = plan_of(world, sql);
        std::istringstream lines(plan);
        int ways = 0;
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string way;
            std::string table;
            words >> way >> table;
            if (way != "SCAN" && way != "SEARCH") continue;
            if (!std::set<std::string>{"outbox_events", "due", "held", "later"}.contains(
                    table
                ))
                continue;
            ++ways;
            // By an index of the rows that wait, or by the place of one row.
            const bool narrow =
                line.find("INDEX outbox_events_") != std::string::npos ||
                line.find("USING INTEGER PRIMARY KEY") != std::string::npos;
            CHECK_MESSAGE(narrow, plan);
        }
        CHECK(ways > 0);
    }
}

TEST_CASE("an idle source takes no lock that a writer would wait for") {
    World world;
    const auto source = world.source();
    auto t = begin(world.io, world.writer);
    CHECK(world.claim(*source).empty());
    CHECK(run(world.io, source->depth()).has_value());
    REQUIRE(wait<void>(world.io, t.async_commit()));
}

TEST_CASE("O7: failures of the database are returned, not thrown") {
    Folder folder;
    net::io_context io;
    Database database(io.get_executor(), {.path = folder.file()});
    OutboxSource source(database);
    CHECK_FALSE(blames_rows(run(io, source.claim(1)).error()));
    CHECK(run(io, source.claim(1)).error() == Errc::bad_destination);
    CHECK(run(io, source.depth()).error() == Errc::bad_destination);
    CHECK(run(io, source.reset_stale(1s)).error() == Errc::bad_destination);
    std::vector<Settlement> verdicts{{1, Disposition::sent}};
    CHECK(run(io, source.settle(verdicts)).error() == Errc::bad_destination);
}

TEST_CASE("O7: relays of two processes claim each row once") {
    constexpr int rows = 300;
    Folder folder;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    // Reports each seq that it claims, until there is none.
    const auto claim_all = [&] {
        net::io_context io;
        Database database(io.get_executor(), {.path = folder.file()});
        OutboxSource source(database);
        for (;;) {
            auto claimed = run(io, source.claim(7));
            if (!claimed) return 1;
            if (claimed->empty()) return 0;
            std::vector<Settlement> verdicts;
            for (const auto& one : *claimed) {
                if (::write(ends[1], &one.seq, sizeof one.seq) != sizeof one.seq)
                    return 2;
                verdicts.push_back({one.seq, Disposition::sent});
            }
            if (!run(io, source.settle(std::move(verdicts)))) return 3;
        }
    };
    {
        net::io_context io;
        Database writer(io.get_executor(), {.path = folder.file()});
        REQUIRE(script(io, writer, outbox_schema()));
        auto t = begin(io, writer);
        const Outbox outbox;
        for (int i = 1; i <= rows; ++i) {
            REQUIRE(run(io, outbox.append(t, make_event(i, "k" + std::to_string(i))))
                        .has_value());
        }
        REQUIRE(wait<void>(io, t.async_commit()));
    }
    std::vector<pid_t> children;
    for (int i = 0; i < 2; ++i) {
        const auto child = ::fork();
        if (child == 0) ::_exit(claim_all());
        children.push_back(child);
    }
    for (const auto child : children) {
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WEXITSTATUS(status) == 0);
    }
    ::close(ends[1]);
    std::map<std::int64_t, int> times;
    for (std::int64_t seq = 0; ::read(ends[0], &seq, sizeof seq) == sizeof seq;)
        ++times[seq];
    ::close(ends[0]);
    CHECK(times.size() == rows);
    for (const auto& [seq, count] : times) CHECK(count == 1);
}

TEST_CASE("a bad option of the source is named") {
    net::io_context io;
    Database database(io.get_executor(), {.path = ":memory:"});
    const auto make = [&](OutboxSourceOptions options) {
        OutboxSource{database, std::move(options)};
    };
    CHECK_THROWS_WITH(make({.max_batch_bytes = 0}), "max_batch_bytes: must be positive");
    CHECK_THROWS_WITH(make({.max_depth = 0}), "max_depth: must be at least 1");
    CHECK_THROWS_WITH(make({.now = nullptr}), "now: is empty");
}
