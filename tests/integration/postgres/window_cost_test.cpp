// SPDX-License-Identifier: MIT
// What it costs to read a large window, in blocks that the server looks at.
#include "window_tools.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::WindowSlice;

namespace {

/// Where the rows lie that are not the window's.
enum class Old { before, within, of_another_lane };

/// An outbox with a window of 300 rows of lane 0 and `old` other rows, half of them dead
/// and kept from being cleaned.
class World {
public:
    net::awaitable<void> fill(Old where, int old) {
        co_await clear_of_vacuum();
        auto holder = co_await connected();
        co_await execute(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        co_await execute(holder, "SELECT pg_current_snapshot()");
        holder_.push_back(std::move(holder));
        {
            auto writer = co_await connected(options());
            auto other = co_await connected(options());
            if (where == Old::before) co_await add_old(other, old, 0);
            if (where == Old::of_another_lane) slice_.seen = co_await snapshot(other);
            co_await execute(writer, "BEGIN");
            co_await execute(writer, rows(100, 0));
            if (where == Old::within) co_await add_old(other, old, 0);
            if (where != Old::of_another_lane) slice_.seen = co_await snapshot(other);
            if (where == Old::of_another_lane) co_await add_old(other, old, 1);
            co_await execute(writer, rows(200, 0));
            co_await execute(writer, "COMMIT");
            slice_.window = co_await snapshot(other);
        }
        co_await until_gone();
    }

    /// The seqs of each slice that a source reads.
    net::awaitable<std::vector<std::vector<std::int64_t>>> read(
        std::int64_t most_sorted, std::size_t bytes = 1 << 20
    ) {
        std::vector<std::vector<std::int64_t>> slices;
        auto chosen = source_options(options());
        chosen.most_sorted = most_sorted;
        {
            const auto executor = co_await net::this_coro::executor;
            pg::OutboxWindowSource source{executor, std::move(chosen)};
            const auto looked = co_await source.look();
            REQUIRE(ok(looked));
            WindowSlice slice = slice_;
            slice.limit = 40;
            slice.bytes = bytes;
            for (;;) {
                const auto events = co_await source.read(slice);
                REQUIRE(ok(events));
                if (events->empty()) break;
                auto& seqs = slices.emplace_back();
                for (const auto& event : *events) {
                    seqs.push_back(event.seq);
                    CHECK(event.event.event_data.starts_with(R"({"a": ")"));
                }
                slice.last_seq = seqs.back();
            }
        }
        co_await until_gone();
        co_return slices;
    }

    /// Blocks of the table and its indexes that connections looked at which are gone.
    net::awaitable<std::int64_t> blocks() {
        auto sum = co_await statistic(
            "heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit",
            "pg_statio_user_tables WHERE relid ="
        );
        co_return sum;
    }

    /// Entries of the index by lane and transaction that they looked at.
    net::awaitable<std::int64_t> found_by_transaction() {
        auto sum = co_await statistic(
            "idx_tup_read",
            "pg_stat_user_indexes WHERE indexrelname = 'outbox_events_window' AND relid ="
        );
        co_return sum;
    }

private:
    // Small contents, and of the first ones each seventh of 600 bytes.
    static std::string rows(int count, int lane) {
        return "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
               "event_data, topic, partition_key, lane) SELECT gen_random_uuid(), 't', "
               "'1', 'e', jsonb_build_object('a', repeat('x', CASE WHEN i < 90 AND i % 7 "
               "= 0 "
               "THEN 590 ELSE i % 5 END)), 'x', 'k', " +
               std::to_string(lane) + " FROM generate_series(1, " +
               std::to_string(count) + ") AS i";
    }

    net::awaitable<std::int64_t> statistic(std::string sum, std::string where) {
        auto connection = co_await connected(schema_.options());
        const auto text = co_await value(
            connection,
            "SELECT (" + sum + ")::text FROM " + where + " 'outbox_events'::regclass"
        );
        co_return std::stoll(text);
    }

    pg::ConnectionOptions options() const {
        auto options = schema_.options();
        options.application_name = "window_cost_" + std::to_string(::getpid());
        return options;
    }

    net::awaitable<void> clear_of_vacuum() {
        auto connection = co_await connected(options());
        co_await execute(
            connection, "ALTER TABLE outbox_events SET (autovacuum_enabled = off)"
        );
    }

    static net::awaitable<void> add_old(pg::Connection& connection, int count, int lane) {
        co_await execute(connection, rows(count, lane));
        co_await execute(connection, rows(100, 1));
        co_await execute(
            connection,
            "DELETE FROM outbox_events WHERE seq % 2 = 0 AND lane = " +
                std::to_string(lane)
        );
    }

    static net::awaitable<std::string> snapshot(pg::Connection& connection) {
        auto text = co_await value(connection, "SELECT pg_current_snapshot()::text");
        co_return text;
    }

    // The server counts what a connection did when it ends, at the latest.
    net::awaitable<void> until_gone() {
        auto connection = co_await connected();
        for (std::string left = "?"; left != "0";) {
            left = co_await value(
                connection,
                "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = '" +
                    options().application_name + "'"
            );
        }
    }

    Schema schema_{true};
    WindowSlice slice_;
    std::vector<pg::Connection> holder_;
};

/// Blocks that it takes to read the window, whose slices are as they have to be.
std::int64_t cost(Old where, int old) {
    std::int64_t blocks = 0;
    run([&](net::io_context&) -> net::awaitable<void> {
        World world;
        co_await world.fill(where, old);
        const auto before = co_await world.blocks();
        const auto slices = co_await world.read(100);
        const auto after = co_await world.blocks();
        blocks = after - before;
        CHECK(slices.size() == 8);
        std::size_t rows = 0;
        for (const auto& slice : slices) rows += slice.size();
        CHECK(rows == 300);
    });
    return blocks;
}

}  // namespace

TEST_CASE("windows: a large one costs what it holds, however much is old or dead") {
    Old where{};
    SUBCASE("before it") { where = Old::before; }
    SUBCASE("between its rows") { where = Old::within; }
    SUBCASE("in another lane") { where = Old::of_another_lane; }
    const auto little = cost(where, 2'000);
    const auto much = cost(where, 40'000);
    MESSAGE(little << " blocks, and " << much << " with twenty times as many old rows");
    // An index may have one level more.
    CHECK(much < little + little / 2);
}

TEST_CASE("windows: one that is too large is not gone through by transaction") {
    for (const Old where : {Old::before, Old::within, Old::of_another_lane}) {
        run([&](net::io_context&) -> net::awaitable<void> {
            World world;
            co_await world.fill(where, 1'000);
            const auto before = co_await world.found_by_transaction();
            const auto slices = co_await world.read(2);
            const auto after = co_await world.found_by_transaction();
            CHECK(slices.size() == 8);
            // Two and one more to see that sorting is too much, a hundred and one more to
            // see how large it is.
            CHECK(after - before < 2 * (3 + 101));
        });
    }
}

TEST_CASE("I4: a slice is the same whichever way a window is read") {
    for (const Old where : {Old::before, Old::within, Old::of_another_lane}) {
        run([&](net::io_context&) -> net::awaitable<void> {
            World world;
            co_await world.fill(where, 1'000);
            // Of 40 rows: all at once, two, some 25 that are cut by their bytes, and all
            // though some have more than a fortieth of them.
            for (const std::size_t bytes : {1 << 20, 93, 2'560, 8'000}) {
                CAPTURE(bytes);
                const auto sorted = co_await world.read(1'000'000, bytes);
                // 50 times as many are too many to be gone through in one statement.
                for (const std::int64_t most_sorted : {1, 5, 100}) {
                    CAPTURE(most_sorted);
                    const auto slices = co_await world.read(most_sorted, bytes);
                    CHECK(slices == sorted);
                }
            }
        });
    }
}
