// SPDX-License-Identifier: MIT
// The report on the real table: that it catches up, and what its statements cost.
#include "delivered_tools.hpp"

#include "src/postgres/outbox_sql.hpp"

#include <resilience/delivery_report.hpp>

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <string>

using namespace postgres_tests;
using resilience::DeliveryReport;

TEST_CASE("report: on the real table it catches up, also after its connection was cut") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 2500));
        co_await execute(world.writer, insert_rows(1, 2500));
        const auto position = co_await world.all_seen();
        DeliveryReport report{
            context.get_executor(),
            world.rows,
            {.interval = 1ms, .pause = {.base = 1ms, .cap = 1ms}}};
        bool ended = false;
        net::co_spawn(context, report.run(), [&](std::exception_ptr) { ended = true; });
        report.found(0, position);
        co_await until([&] { return report.snapshot().reported == 2500; });
        // Its connection is the one that has just changed rows.
        co_await execute(
            world.writer,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
            "pg_backend_pid() AND application_name = 'resilience' AND query LIKE "
            "'%outbox_events%' AND query LIKE '%SENT%'"
        );
        report.found(1, position);
        co_await until([&] {
            const auto now = report.snapshot();
            return now.reported == 5000 && now.caught_up;
        });
        report.stop();
        co_await until([&] { return ended; });
        const auto left = co_await world.with("NEW");
        CHECK(left.empty());
    });
}

TEST_CASE("report: its cost is that of what it looks at, however much is old or dead") {
    const Schema schema{true};
    // Written fast; the statements looked at use neither of these.
    schema.script(
        "DROP INDEX outbox_events_claimed, outbox_events_held, "
        "outbox_events_waiting; ALTER TABLE outbox_events SET UNLOGGED"
    );
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        auto holder = co_await connected(schema.options());
        co_await execute(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        co_await execute(holder, "SELECT count(*) FROM outbox_events");
        auto patient = schema.options();
        patient.query_timeout = 120s;
        auto writer = co_await connected(patient);
        for (int piece = 0; piece < 5; ++piece) {
            co_await execute(writer, insert_rows(0, 10'000));
            co_await execute(
                writer, "UPDATE outbox_events SET status = 'SENT' WHERE status = 'NEW'"
            );
        }
        co_await execute(writer, "DELETE FROM outbox_events WHERE seq <= 40000");
        co_await execute(writer, insert_rows(0, 100));
        const auto position = co_await world.all_seen();

        auto reader = co_await connected(schema.options());
        co_await execute(reader, pg::sql::window_session);
        // As they are planned there: once, whatever the values are.
        const auto explain = [&](std::string name, std::string text, std::string values
                             ) -> net::awaitable<std::string> {
            const auto prepared =
                co_await reader.async_run_script("PREPARE " + name + " AS " + text);
            REQUIRE(ok(prepared));
            const auto shown = "ARRAY['" + position.seen + "']";
            const auto rows = co_await reader.async_execute(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) EXECUTE " + name +
                " ('{0}', " + shown + ", " + shown + ", '{0}', " +
                std::to_string(position.source.table) + ", " + values + ")"
            );
            REQUIRE(ok(rows));
            std::string plan;
            for (const auto row : *rows) plan += std::string{row.text(0)} + "\n";
            co_return plan;
        };
        const auto blocks = [](const std::string& plan) {
            const auto begin = plan.find("Buffers: shared hit=");
            REQUIRE(begin != std::string::npos);
            return std::stoi(plan.substr(begin + 20));
        };
        const auto removed = co_await explain(
            "remove", pg::sql::remove_slice, "50000, 9000000, 10, 3600000"
        );
        INFO(removed);
        CHECK(removed.find("Seq Scan") == std::string::npos);
        CHECK(removed.find("Sort") == std::string::npos);
        CHECK(removed.find("outbox_events_seq") != std::string::npos);
        CHECK(blocks(removed) < 100);
        // For 100 rows: to find, to lock and to write them, each in four indexes.
        const auto reported =
            co_await explain("report", pg::sql::report_slice, "50000, 9000000, 1000");
        INFO(reported);
        CHECK(reported.find("Seq Scan") == std::string::npos);
        CHECK(reported.find("Sort") == std::string::npos);
        CHECK(reported.find("outbox_events_due") != std::string::npos);
        CHECK(blocks(reported) < 5000);
        co_await execute(holder, "COMMIT");
    });
}

TEST_CASE("report: where no index speaks of the status, rows are changed in their pages"
) {
    const Schema schema{true};
    schema.script(
        "DROP INDEX outbox_events_due, outbox_events_claimed, outbox_events_held, "
        "outbox_events_waiting; ALTER TABLE outbox_events SET (fillfactor = 40)"
    );
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 300));
        const auto position = co_await world.all_seen();
        const auto first = co_await world.rows.report(slice_of(0, position));
        REQUIRE(ok(first));
        CHECK(first->changed == 300);
        const auto sent = co_await value(
            world.writer, "SELECT count(*) FROM outbox_events WHERE status = 'SENT'"
        );
        CHECK(sent == "300");

        co_await execute(world.writer, insert_rows(0, 100));
        const auto later = co_await world.all_seen();
        auto reader = co_await connected(schema.options());
        co_await execute(reader, pg::sql::window_session);
        const auto prepared = co_await reader.async_run_script(
            std::string{"PREPARE report AS "} + pg::sql::report_slice
        );
        REQUIRE(ok(prepared));
        const auto shown = "ARRAY['" + later.seen + "']";
        const auto rows = co_await reader.async_execute(
            "EXPLAIN (ANALYZE, WAL, COSTS off, TIMING off) EXECUTE report ('{0}', " +
            shown + ", " + shown + ", '{0}', " + std::to_string(later.source.table) +
            ", 300, 400, 1000)"
        );
        REQUIRE(ok(rows));
        std::string plan;
        for (const auto row : *rows) plan += std::string{row.text(0)} + "\n";
        INFO(plan);
        CHECK(plan.find("Seq Scan") == std::string::npos);
        CHECK(plan.find("Sort") == std::string::npos);
        CHECK(plan.find("outbox_events_seq") != std::string::npos);
        const auto log = plan.find("WAL: records=");
        REQUIRE(log != std::string::npos);
        // The lock and the row itself, and no entry of any index.
        CHECK(std::stoi(plan.substr(log + 13)) < 250);
    });
}
