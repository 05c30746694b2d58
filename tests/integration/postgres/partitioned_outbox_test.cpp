// SPDX-License-Identifier: MIT
// A table of partitions by `seq` (deploy/postgres/partitioned_outbox.sql) does what a
// whole one does, and what is empty of it goes (I9).
#include "delivered_tools.hpp"

#include <resilience/outbox.hpp>
#include <resilience/postgres/outbox_source.hpp>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::WindowSlice;

namespace {

/// A schema with an outbox whose partitions have ten rows.
struct Partitioned : Schema {
    Partitioned() : Schema(true) {
        auto text = of_file();
        const std::string call = "keep_outbox_partitions(5000000, 2)";
        const auto at = text.find(call);
        REQUIRE(at != std::string::npos);
        text.replace(at, call.size(), "keep_outbox_partitions(10, 2)");
        script(text);
    }

    static std::string of_file() {
        std::ifstream file{
            resilience::tests::source_path("deploy/postgres/partitioned_outbox.sql")};
        REQUIRE(file);
        return {std::istreambuf_iterator<char>{file}, {}};
    }
};

net::awaitable<std::string> keep(pg::Connection& connection) {
    co_return co_await value(connection, "SELECT keep_outbox_partitions(10, 2)::text");
}

net::awaitable<std::string> partitions(pg::Connection& connection) {
    co_return co_await value(
        connection,
        "SELECT string_agg(name::text, ',' ORDER BY upto) FROM outbox_partitions"
    );
}

}  // namespace

TEST_CASE("partitions: rows of several are read in order, reported and removed") {
    const Partitioned schema;
    run([&](net::io_context& context) -> net::awaitable<void> {
        for (const std::int64_t most_sorted : {20'000, 4}) {
            CAPTURE(most_sorted);
            DeliveredWorld world{context, schema};
            co_await world.begin();
            co_await execute(world.writer, "DELETE FROM outbox_events");
            auto options = source_options(schema.options());
            options.most_sorted = most_sorted;
            pg::OutboxWindowSource source{context.get_executor(), options};
            const auto before = co_await world.all_seen();
            co_await execute(world.writer, insert_rows(0, 15));
            co_await execute(world.writer, insert_rows(1, 3));
            co_await execute(world.writer, insert_rows(0, 2));
            const auto position = co_await world.all_seen();

            const auto looked = co_await source.look();
            REQUIRE(ok(looked));
            WindowSlice slice;
            slice.seen = before.seen;
            slice.window = position.seen;
            slice.limit = 6;
            std::vector<std::int64_t> seqs;
            while (true) {
                const auto rows = co_await source.read(slice);
                REQUIRE(ok(rows));
                if (rows->empty()) break;
                for (const auto& row : *rows) seqs.push_back(row.seq);
                slice.last_seq = seqs.back();
            }
            REQUIRE(seqs.size() == 17);
            CHECK(std::ranges::is_sorted(seqs));
            CHECK(seqs.back() == seqs.front() + 19);

            const auto reported = co_await world.rows.report(slice_of(0, position));
            REQUIRE(ok(reported));
            CHECK(reported->changed == 17);
            const auto removed = co_await world.rows.remove(slice_of(0, position), 0ms);
            REQUIRE(ok(removed));
            CHECK(removed->changed == 17);
            const auto left =
                co_await value(world.writer, "SELECT count(*)::text FROM outbox_events");
            CHECK(left == "3");
        }
    });
}

TEST_CASE("partitions: events are appended, and claimed in order") {
    const Partitioned schema;
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), {.connection = schema.options()}};
        const resilience::Outbox outbox;
        resilience::Event event;
        event.aggregate_type = "t";
        event.aggregate_id = "1";
        event.event_type = "e";
        event.event_data = "{}";
        event.topic = "x";
        const auto work = [&](pg::Transaction& t
                          ) -> net::awaitable<Result<resilience::Uuid>> {
            co_return co_await outbox.append(t, event);
        };
        std::vector<std::string> written;
        for (int i = 0; i < 25; ++i) {
            const auto id = co_await pg::with_transaction(pool, work);
            REQUIRE(ok(id));
            written.push_back(id->to_string());
        }
        pg::OutboxSource source{pool};
        const auto events = co_await source.claim(100);
        REQUIRE(ok(events));
        REQUIRE(events->size() == 25);
        for (std::size_t i = 0; i < 25; ++i) CHECK((*events)[i].event.id == written[i]);
    });
}

TEST_CASE("I9: a partition goes once it is behind and empty, and nobody writes to it") {
    const Partitioned schema;
    run([&](net::io_context& context) -> net::awaitable<void> {
        DeliveredWorld world{context, schema};
        co_await world.begin();
        const auto at_first = co_await partitions(world.writer);
        CHECK(at_first == "outbox_events_1,outbox_events_11,outbox_events_rest");
        co_await execute(world.writer, insert_rows(0, 9));
        // 10 is written by a transaction that is over later.
        auto late = co_await connected(schema.options());
        co_await execute(late, "BEGIN");
        co_await execute(late, insert_rows(0, 1));
        co_await execute(world.writer, insert_rows(0, 5));
        const auto kept = co_await keep(world.writer);
        CHECK(kept == "0");
        const auto made = co_await partitions(world.writer);
        CHECK(
            made ==
            "outbox_events_1,outbox_events_11,outbox_events_21,outbox_events_31,"
            "outbox_events_rest"
        );

        auto position = co_await world.all_seen();
        const auto removed = co_await world.rows.remove(slice_of(0, position), 0ms);
        REQUIRE(ok(removed));
        CHECK(removed->changed == 14);
        // It looks empty, but somebody writes to it.
        const auto held = co_await keep(world.writer);
        CHECK(held == "0");
        co_await execute(late, "COMMIT");
        const auto not_delivered = co_await keep(world.writer);
        CHECK(not_delivered == "0");
        position = co_await world.all_seen();
        const auto rest = co_await world.rows.remove(slice_of(0, position), 0ms);
        REQUIRE(ok(rest));
        CHECK(rest->changed == 1);
        const auto dropped = co_await keep(world.writer);
        CHECK(dropped == "1");
        const auto left = co_await partitions(world.writer);
        CHECK(
            left ==
            "outbox_events_11,outbox_events_21,outbox_events_31,outbox_events_rest"
        );

        co_await execute(world.writer, insert_rows(0, 1));
        const auto goes_on = co_await world.with("NEW");
        CHECK(goes_on == "16");
        const auto again = co_await world.source.look();
        CHECK(ok(again));
    });
}

TEST_CASE("I9: under an older snapshot no partition is taken for an empty one") {
    const Partitioned schema;
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        co_await execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        const auto refused =
            co_await connection.async_execute("SELECT keep_outbox_partitions(10, 2)");
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().detail.find("read committed") != std::string::npos);
    });
}

TEST_CASE("partitions: a table that has rows is not made anew") {
    const Schema schema{true};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        co_await execute(connection, insert_rows(0, 1));
        const auto refused =
            co_await connection.async_run_script("BEGIN; " + Partitioned::of_file());
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().detail.find("has rows") != std::string::npos);
    });
}
