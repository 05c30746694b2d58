// SPDX-License-Identifier: MIT
// Delivered rows that are locked, and tables that refuse to have them changed.
#include "delivered_tools.hpp"

#include <resilience/relay.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

using namespace postgres_tests;
using resilience::DeadLetteredRow;

TEST_CASE("report: dead letters of rows that are locked are named, and not waited for") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 4));
        const auto position = co_await world.all_seen();
        const auto slice = slice_of(0, position);
        auto holder = co_await connected(schema.options());
        co_await execute(holder, "BEGIN");
        co_await execute(
            holder, "SELECT FROM outbox_events WHERE seq IN (2, 4) FOR UPDATE"
        );
        const std::vector<DeadLetteredRow> letters{{1, "a"}, {2, "b"}, {4, "d"}};
        const auto first = co_await world.rows.report_failed(slice.lanes, letters);
        REQUIRE(ok(first));
        CHECK(std::set(first->begin(), first->end()) == std::set<std::int64_t>{2, 4});
        const auto failed1 = co_await world.with("FAILED");
        CHECK(failed1 == "1");
        co_await execute(holder, "COMMIT");
        const auto then = co_await world.rows.report_failed(slice.lanes, letters);
        REQUIRE(ok(then));
        CHECK(then->empty());
        const auto failed2 = co_await world.with("FAILED");
        CHECK(failed2 == "1,2,4");
    });
}

TEST_CASE("report: a row is blamed for what the table says of rows alone") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 2));
        const auto position = co_await world.all_seen();
        const auto slice = slice_of(0, position);
        const std::vector<DeadLetteredRow> letters{{1, "a"}};
        const auto refusing = [&](std::string each) -> net::awaitable<void> {
            co_await execute(
                world.writer, "DROP TRIGGER IF EXISTS never ON outbox_events"
            );
            co_await execute(
                world.writer,
                "CREATE TRIGGER never BEFORE UPDATE OR DELETE ON outbox_events FOR "
                "EACH " +
                    each + " EXECUTE FUNCTION never()"
            );
        };
        const auto all = [&](resilience::Errc code) -> net::awaitable<void> {
            const auto reported = co_await world.rows.report(slice);
            REQUIRE(reported.has_error());
            CHECK(reported.error() == code);
            const auto removed = co_await world.rows.remove(slice, 0ms);
            REQUIRE(removed.has_error());
            CHECK(removed.error() == code);
            const auto failed = co_await world.rows.report_failed(slice.lanes, letters);
            REQUIRE(failed.has_error());
            CHECK(failed.error() == code);
            CHECK(
                resilience::blames_rows(failed.error()) ==
                (code == resilience::Errc::invalid_request)
            );
        };
        co_await execute(
            world.writer,
            "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
            "EXCEPTION 'never'; END $$"
        );
        co_await refusing("ROW");
        co_await all(resilience::Errc::invalid_request);
        co_await refusing("STATEMENT");
        co_await all(resilience::Errc::bad_destination);
        co_await execute(world.writer, "DROP TRIGGER never ON outbox_events");
        co_await execute(
            world.writer,
            "ALTER TABLE outbox_events RENAME COLUMN processed_at TO done_at"
        );
        const auto unknown = co_await world.rows.report(slice);
        REQUIRE(unknown.has_error());
        CHECK(unknown.error() == resilience::Errc::bad_destination);

        auto stranger = schema.options();
        stranger.user = "nobody_of_that_name";
        pg::OutboxDeliveredRows rows{context.get_executor(), stranger};
        const auto refused = co_await rows.report(slice);
        REQUIRE(refused.has_error());
        CHECK(refused.error() == resilience::Errc::bad_destination);
    });
}
