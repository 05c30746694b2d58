// SPDX-License-Identifier: MIT
// What is shown of delivered rows, and which of them go (I1, I9, I11).
#include "delivered_tools.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::DeadLetteredRow;
using resilience::LanePosition;
using resilience::WindowSlice;

TEST_CASE("I1, I3: what the position shows as delivered becomes SENT, and nothing else") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 3));
        auto position = co_await world.all_seen();
        // 4 is written by a transaction that is over after 5 to 8.
        auto late = co_await connected(schema.options());
        co_await execute(late, "BEGIN");
        co_await execute(late, insert_rows(0, 1));
        co_await execute(world.writer, insert_rows(0, 3));
        co_await execute(world.writer, insert_rows(1, 1));
        const auto next = co_await world.all_seen();
        co_await execute(late, "COMMIT");
        position.window = next.window;
        position.last_seq = 6;

        const auto done = co_await world.rows.report(slice_of(0, position));
        REQUIRE(ok(done));
        CHECK(done->looked == 8);
        CHECK(done->last_seq == 8);
        CHECK(done->changed == 5);
        CHECK(done->first_locked == 0);
        const auto sent = co_await world.with("SENT");
        CHECK(sent == "1,2,3,5,6");
        const auto dated = co_await value(
            world.writer,
            "SELECT bool_and(processed_at >= created_at) FROM outbox_events WHERE status "
            "= 'SENT'"
        );
        CHECK(dated == "t");
    });
}

TEST_CASE("report: a slice takes the rows of its stretch alone, as many as are asked for"
) {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 10));
        const auto position = co_await world.all_seen();
        auto slice = slice_of(0, position);
        slice.after = 2;
        slice.to = 8;
        slice.limit = 4;
        const auto done = co_await world.rows.report(slice);
        REQUIRE(ok(done));
        CHECK(done->looked == 4);
        CHECK(done->last_seq == 6);
        const auto first = co_await world.with("SENT");
        CHECK(first == "3,4,5,6");
        const auto again = co_await world.rows.report(slice);
        REQUIRE(ok(again));
        CHECK(again->looked == 2);
        const auto both = co_await world.with("SENT");
        CHECK(both == "3,4,5,6,7,8");
        const auto last = co_await world.rows.last_seq();
        REQUIRE(ok(last));
        CHECK(*last == 10);
    });
}

TEST_CASE("report: rows that a relay holds, that failed or are locked are left alone") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 5));
        co_await execute(
            world.writer, "UPDATE outbox_events SET status = 'PROCESSING' WHERE seq = 1"
        );
        co_await execute(
            world.writer, "UPDATE outbox_events SET status = 'FAILED' WHERE seq = 2"
        );
        const auto position = co_await world.all_seen();
        auto holder = co_await connected(schema.options());
        co_await execute(holder, "BEGIN");
        co_await execute(holder, "SELECT FROM outbox_events WHERE seq = 4 FOR UPDATE");
        const auto done = co_await world.rows.report(slice_of(0, position));
        REQUIRE(ok(done));
        CHECK(done->changed == 2);
        CHECK(done->first_locked == 4);
        const auto removed = co_await world.rows.remove(slice_of(0, position), 0ms);
        REQUIRE(ok(removed));
        CHECK(removed->first_locked == 4);
        CHECK(removed->first_kept == 4);
        co_await execute(holder, "COMMIT");
        const auto left = co_await value(
            world.writer,
            "SELECT string_agg(seq || status, ',' ORDER BY seq) FROM outbox_events"
        );
        CHECK(left == "2FAILED,4NEW");
    });
}

TEST_CASE("report: dead letters become FAILED with what can be stored of their reason") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 3));
        co_await execute(
            world.writer, "UPDATE outbox_events SET status = 'SENT' WHERE seq = 2"
        );
        co_await execute(
            world.writer, "UPDATE outbox_events SET status = 'PROCESSING' WHERE seq = 3"
        );
        const std::vector<DeadLetteredRow> letters{
            {1, std::string{"no\0pe", 5}}, {2, "too large"}, {3, "x"}, {99, "y"}};
        const auto position = co_await world.all_seen();
        const auto slice = slice_of(0, position);
        const auto done = co_await world.rows.report_failed(slice.lanes, letters);
        REQUIRE(ok(done));
        const auto written = co_await value(
            world.writer,
            "SELECT string_agg(seq || status || coalesce(error_message, ''), ',' ORDER "
            "BY "
            "seq) FROM outbox_events"
        );
        CHECK(written == "1FAILEDno?pe,2FAILEDtoo large,3PROCESSING");
    });
}

TEST_CASE("I1: dead letters of rows that no position shows as delivered change nothing") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 2));
        auto position = co_await world.all_seen();
        co_await execute(world.writer, insert_rows(1, 1));
        co_await execute(world.writer, insert_rows(0, 3));
        const auto next = co_await world.all_seen();
        position.window = next.window;
        position.last_seq = 5;
        co_await execute(world.writer, insert_rows(0, 1));
        std::vector<DeadLetteredRow> letters;
        for (std::int64_t seq = 2; seq <= 7; ++seq) letters.push_back({seq, "x"});
        const auto slice = slice_of(0, position);
        const auto done = co_await world.rows.report_failed(slice.lanes, letters);
        REQUIRE(ok(done));
        // 3 is another lane's, 6 comes later in the window, 7 is in no window.
        const auto failed = co_await world.with("FAILED");
        CHECK(failed == "2,4,5");
    });
}

TEST_CASE("I4: reports change nothing of what a window holds") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        const auto before = co_await world.all_seen();
        co_await execute(world.writer, insert_rows(0, 20));
        const auto after = co_await world.all_seen();
        const WindowSlice slice{0, before.seen, after.seen, 5, 10};
        const auto read = co_await world.source.read(slice);
        REQUIRE(ok(read));
        auto half = before;
        half.window = after.seen;
        half.last_seq = 10;
        const auto reported = co_await world.rows.report(slice_of(0, half));
        REQUIRE(ok(reported));
        const auto removed = co_await world.rows.remove(slice_of(0, half), 0ms);
        REQUIRE(ok(removed));
        CHECK(removed->changed == 0);
        const auto again = co_await world.source.read(slice);
        REQUIRE(ok(again));
        REQUIRE(again->size() == 10);
        for (std::size_t i = 0; i < 10; ++i) {
            CHECK((*again)[i].event.id == (*read)[i].event.id);
        }
    });
}

TEST_CASE("I9: rows go when `seen` shows them, they are old enough and did not fail") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 4));
        co_await execute(world.writer, insert_rows(1, 1));
        co_await execute(
            world.writer,
            "UPDATE outbox_events SET created_at = now() - interval '2 hours' WHERE seq "
            "<> 3"
        );
        co_await execute(
            world.writer, "UPDATE outbox_events SET status = 'FAILED' WHERE seq = 2"
        );
        const auto position = co_await world.all_seen();
        co_await execute(world.writer, insert_rows(0, 1));
        co_await execute(
            world.writer,
            "UPDATE outbox_events SET created_at = now() - interval '2 hours' WHERE seq "
            "= 6"
        );
        const auto done = co_await world.rows.remove(slice_of(0, position), 1h);
        REQUIRE(ok(done));
        CHECK(done->looked == 6);
        CHECK(done->changed == 2);
        CHECK(done->young == 1);
        CHECK(done->first_kept == 3);
        const auto left = co_await value(
            world.writer,
            "SELECT string_agg(seq::text, ',' ORDER BY seq) FROM outbox_events"
        );
        CHECK(left == "2,3,5,6");
        const auto all = co_await world.rows.remove(slice_of(0, position), 0ms);
        REQUIRE(ok(all));
        CHECK(all->changed == 1);
        CHECK(all->first_kept == 5);
    });
}

TEST_CASE("I11: positions of another history change and remove nothing") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        co_await execute(world.writer, insert_rows(0, 3));
        const auto position = co_await world.all_seen();
        const std::vector<DeadLetteredRow> letters{{1, "x"}};
        const auto refuses = [&](LanePosition changed) -> net::awaitable<void> {
            // One wrong position among good ones is enough.
            auto slice = slice_of(0, position);
            slice.lanes.push_back({1, std::move(changed)});
            const auto reported = co_await world.rows.report(slice);
            REQUIRE_FALSE(reported.has_value());
            CHECK(reported.error() == Errc::history_changed);
            const auto removed = co_await world.rows.remove(slice, 0ms);
            REQUIRE_FALSE(removed.has_value());
            CHECK(removed.error() == Errc::history_changed);
            const auto failed = co_await world.rows.report_failed(slice.lanes, letters);
            REQUIRE_FALSE(failed.has_value());
            CHECK(failed.error() == Errc::history_changed);
        };
        auto other = position;
        ++other.source.system_id;
        co_await refuses(other);
        other = position;
        ++other.source.timeline;
        co_await refuses(other);
        other = position;
        ++other.source.database;
        co_await refuses(other);
        other = position;
        ++other.source.table;
        co_await refuses(other);
        other = position;
        other.window = "9000000:9000000:";
        co_await refuses(other);
        other.seen = other.window;
        co_await refuses(other);

        // A table that was made anew behind the open connection.
        const auto works = co_await world.rows.report(slice_of(0, position));
        REQUIRE(ok(works));
        co_await execute(world.writer, "ALTER TABLE outbox_events RENAME TO old");
        co_await execute(
            world.writer, "CREATE TABLE outbox_events (LIKE old INCLUDING ALL)"
        );
        co_await execute(world.writer, insert_rows(0, 3));
        const auto gone = co_await world.rows.remove(slice_of(0, position), 0ms);
        REQUIRE_FALSE(gone.has_value());
        CHECK(gone.error() == Errc::history_changed);
        const auto known = slice_of(0, position);
        const auto failed = co_await world.rows.report_failed(known.lanes, letters);
        REQUIRE_FALSE(failed.has_value());
        CHECK(failed.error() == Errc::history_changed);
        const auto left = co_await world.with("NEW");
        CHECK(left == "1,2,3");
    });
}

TEST_CASE("report: slices out of range are refused before anything is asked") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        const auto none = co_await world.rows.report({});
        CHECK(none.error() == Errc::invalid_request);
        auto slice = slice_of(0, {});
        slice.limit = 0;
        const auto empty = co_await world.rows.report(slice);
        CHECK(empty.error() == Errc::invalid_request);
        slice.limit = 5001;
        const auto large = co_await world.rows.remove(slice, 0ms);
        CHECK(large.error() == Errc::invalid_request);
        slice.limit = 5000;
        const auto negative = co_await world.rows.remove(slice, -1ms);
        CHECK(negative.error() == Errc::invalid_request);
        const std::vector<DeadLetteredRow> many(5001);
        const auto failed = co_await world.rows.report_failed(slice.lanes, many);
        CHECK(failed.error() == Errc::invalid_request);
        slice.lanes.clear();
        const std::vector<DeadLetteredRow> one(1);
        const auto of_none = co_await world.rows.report_failed(slice.lanes, one);
        CHECK(of_none.error() == Errc::invalid_request);
    });
}
