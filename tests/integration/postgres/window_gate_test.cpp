// SPDX-License-Identifier: MIT
// What the gate waits for (I6), and what a poll costs.
#include "src/postgres/outbox_sql.hpp"
#include "window_tools.hpp"

#include <string>

using namespace postgres_tests;
using resilience::WindowSlice;

namespace {

// Sets what commits wait for, for the whole server, as long as it lives.
class StandbyThatNeverComes {
public:
    StandbyThatNeverComes() {
        set("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    }
    ~StandbyThatNeverComes() { set("ALTER SYSTEM RESET synchronous_standby_names"); }

private:
    static void set(const char* sql) {
        run([&](net::io_context&) -> net::awaitable<void> {
            auto connection = co_await connected();
            co_await execute(connection, sql);
            co_await execute(connection, "SELECT pg_reload_conf()");
        });
    }
};

}  // namespace

TEST_CASE("I6: behind the gate all that a window shows is on disk") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        // Whatever the role's own setting is.
        auto hasty = schema.options();
        hasty.extra.front().second += " -csynchronous_commit=off";
        pg::OutboxWindowSource source{context.get_executor(), source_options(hasty)};
        auto writer = co_await connected(schema.options());
        co_await execute(writer, "SET synchronous_commit = off");
        int open_gates = 0;
        for (int i = 0; i < 50 && open_gates < 5; ++i) {
            co_await execute(writer, insert_one);
            const auto window = co_await source.look();
            REQUIRE(ok(window));
            if (window->flushed >= window->insert) continue;
            ++open_gates;
            const auto passed = co_await source.gate(window->insert);
            REQUIRE(ok(passed));
            const auto on_disk = co_await value(
                writer,
                "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn >= $1::numeric",
                pg::parameters(window->insert.value)
            );
            CHECK(on_disk == "t");
        }
        CHECK(open_gates > 0);
    });
}

TEST_CASE("I6: a standby that commits wait for keeps the gate shut") {
    const Schema schema{true};
    schema.script(insert_one);
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto connection = schema.options();
        connection.query_timeout = 300ms;
        pg::OutboxWindowSource source{context.get_executor(), source_options(connection)};
        {
            const StandbyThatNeverComes standby;
            resilience::Window window;
            // The server takes a moment to tell its processes.
            net::steady_timer moment{context};
            for (int i = 0; i < 50; ++i) {
                const auto looked = co_await source.look();
                REQUIRE(ok(looked));
                window = *looked;
                const auto passed = co_await source.gate(window.insert);
                if (!passed) {
                    CHECK(passed.error() == Errc::timed_out_in_doubt);
                    break;
                }
                REQUIRE(i < 49);
                moment.expires_after(20ms);
                co_await moment.async_wait(net::use_awaitable);
            }
        }
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        const auto passed = co_await source.gate(window->insert);
        CHECK(ok(passed));
    });
}

TEST_CASE("windows: a poll costs what the window holds, however much is old or dead") {
    const Schema schema{true};
    // Half a million rows are to be written fast; no statement looked at uses these.
    schema.script(
        "ALTER TABLE outbox_events SET UNLOGGED;"
        "DROP INDEX outbox_events_due, outbox_events_claimed, outbox_events_held, "
        "outbox_events_waiting"
    );
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto patient = schema.options();
        patient.query_timeout = 120s;
        auto holder = co_await connected(schema.options());
        auto writer = co_await connected(patient);
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        co_await execute(writer, insert_one);
        co_await execute(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        co_await execute(holder, "SELECT count(*) FROM outbox_events");
        // In pieces, each with a time limit of its own.
        for (int piece = 0; piece < 10; ++piece) {
            co_await execute(
                writer,
                "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, "
                "event_type, "
                "event_data, topic, partition_key) SELECT gen_random_uuid(), 't', '1', "
                "'e', '{}', 'x', 'k' FROM generate_series(1, 50000)"
            );
        }
        co_await execute(writer, "DELETE FROM outbox_events WHERE seq % 2 = 0");
        const auto seen = co_await source.look();
        REQUIRE(ok(seen));
        for (int i = 0; i < 3; ++i) co_await execute(writer, insert_one);
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        const auto last =
            co_await value(writer, "SELECT max(seq) - 2 FROM outbox_events");

        auto reader = co_await connected(schema.options());
        co_await execute(reader, pg::sql::window_session);
        // As the source has them planned: once, whatever the values are.
        const auto explain = [&](std::string text,
                                 std::string values) -> net::awaitable<std::string> {
            const auto prepared = co_await reader.async_run_script(
                "DEALLOCATE ALL; PREPARE looked_at AS " + text
            );
            if (!prepared) FAIL(prepared.error().message());
            const auto rows = co_await reader.async_execute(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) EXECUTE looked_at (0, "
                "'" +
                seen->snapshot + "', '" + window->snapshot + "', " + values + ")"
            );
            if (!rows) FAIL(rows.error().message());
            std::string plan;
            for (const auto row : *rows) plan += std::string{row.text(0)} + "\n";
            co_return plan;
        };
        // Blocks that the whole statement has touched: the first line of its kind.
        const auto blocks = [](const std::string& plan) {
            int sum = 0;
            const auto begin = plan.find("Buffers: shared");
            REQUIRE(begin != std::string::npos);
            const auto line = plan.substr(begin, plan.find('\n', begin) - begin);
            for (std::size_t at = 0; (at = line.find('=', at)) != std::string::npos;) {
                sum += std::stoi(line.substr(++at));
            }
            return sum;
        };
        for (const auto* const text : {pg::sql::window_light, pg::sql::window_in_order}) {
            // A text of its own for each: statements are kept by their texts.
            const bool sums = text == pg::sql::window_in_order;
            const std::string end = sums ? "1000000" : "1000001";
            const auto plan = co_await explain(text, last + ", 4000000, 5000, " + end);
            INFO(plan);
            CHECK(plan.find("Seq Scan") == std::string::npos);
            CHECK(plan.find("outbox_events_seq") != std::string::npos);
            CHECK(plan.find("Sort") == std::string::npos);
            CHECK((plan.find("WindowAgg") != std::string::npos) == sums);
            CHECK(plan.find("actual rows=2 loops=1") != std::string::npos);
            CHECK(blocks(plan) < 100);
        }
        // What misleads most: that all rows are of one transaction.
        co_await execute(
            writer, "ALTER TABLE outbox_events ALTER COLUMN xid SET (n_distinct = 1)"
        );
        co_await execute(writer, "ANALYZE outbox_events");
        const auto sorted =
            co_await explain(pg::sql::window_sorted, "0, 4000000, 5000, 20000");
        INFO(sorted);
        CHECK(sorted.find("Seq Scan") == std::string::npos);
        CHECK(sorted.find("outbox_events_window") != std::string::npos);
        CHECK(sorted.find("(lane = $1) AND (xid = open.xid)") != std::string::npos);
        CHECK(sorted.find("(xid >= pg_snapshot_xmax(") != std::string::npos);
        CHECK(sorted.find("actual rows=3 loops=1") != std::string::npos);
        CHECK(blocks(sorted) < 100);
        const auto picked = co_await explain(pg::sql::window_picked, "0, 4000000, 5000");
        INFO(picked);
        CHECK(picked.find("outbox_events_window") != std::string::npos);
        CHECK(blocks(picked) < 100);
        const auto extent = co_await explain(pg::sql::window_extent, "0, 5000");
        INFO(extent);
        CHECK(extent.find("outbox_events_window") != std::string::npos);
        CHECK(blocks(extent) < 100);
        co_await execute(holder, "COMMIT");
    });
}
