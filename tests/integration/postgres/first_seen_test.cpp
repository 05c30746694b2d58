// SPDX-License-Identifier: MIT
// From claims to exactly once on one table: nothing is delivered again, nothing left out.
#include "window_tools.hpp"

#include <resilience/postgres/first_seen.hpp>
#include <resilience/postgres/outbox_source.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::Disposition;
using resilience::Settlement;
using resilience::WindowSlice;

namespace {

// What the lane's events are from the snapshot on, with commas between.
net::awaitable<std::string> delivered_after(
    pg::OutboxWindowSource& source, std::string seen, int lane = 0
) {
    const auto window = co_await source.look();
    REQUIRE(ok(window));
    const WindowSlice slice{lane, std::move(seen), window->snapshot};
    const auto read = co_await source.read(slice);
    REQUIRE(ok(read));
    std::string seqs;
    for (const auto& row : *read) {
        seqs += (seqs.empty() ? "" : ",") + std::to_string(row.seq);
    }
    co_return seqs;
}

net::awaitable<void> set_status(
    pg::Connection& connection, const char* status, const char* seqs
) {
    co_await execute(
        connection,
        std::string{"UPDATE outbox_events SET status = '"} + status +
            "' WHERE seq = ANY('" + seqs + "')"
    );
}

}  // namespace

TEST_CASE("first_seen: what is finished is not delivered again, all the rest is") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        auto writer = co_await connected(schema.options());
        // 1 is written by a transaction that ends last.
        auto late = co_await connected(schema.options());
        co_await execute(late, "BEGIN");
        co_await execute(late, insert_one);
        for (int i = 0; i < 8; ++i) co_await execute(writer, insert_one);
        co_await set_status(writer, "SENT", "{2,4,5,7}");
        co_await set_status(writer, "FAILED", "{6}");

        auto asker = co_await connected(schema.options());
        const auto first = co_await pg::first_seen(asker, 0);
        REQUIRE(ok(first));
        CHECK(first->waiting == 3);
        const auto before = co_await delivered_after(source, first->snapshot);
        CHECK(before == "3,8,9");
        co_await execute(late, "COMMIT");
        co_await execute(writer, insert_one);
        const auto after = co_await delivered_after(source, first->snapshot);
        CHECK(after == "1,3,8,9,10");
    });
}

TEST_CASE("first_seen: many rows that wait behind all that is finished need no names") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        auto writer = co_await connected(schema.options());
        for (int i = 0; i < 5; ++i) co_await execute(writer, insert_one);
        co_await set_status(writer, "SENT", "{1,3}");
        auto asker = co_await connected(schema.options());
        const auto named = co_await pg::first_seen(asker, 0, 1);
        REQUIRE(ok(named));
        const auto events = co_await delivered_after(source, named->snapshot);
        CHECK(events == "2,4,5");
        const auto refused = co_await pg::first_seen(asker, 0, 0);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == Errc::invalid_request);
        CHECK(refused.error().detail.find("caught up") != std::string::npos);
    });
}

TEST_CASE("first_seen: a lane in which nothing is finished begins with its first row") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        auto asker = co_await connected(schema.options());
        const auto empty = co_await pg::first_seen(asker, 0);
        REQUIRE(ok(empty));
        CHECK(empty->snapshot.empty());
        co_await execute(asker, insert_one);
        co_await execute(asker, insert_one);
        co_await execute(
            asker,
            "UPDATE outbox_events SET lane = 3, status = 'SENT' WHERE "
            "seq = 1"
        );
        const auto one = co_await pg::first_seen(asker, 0);
        REQUIRE(ok(one));
        CHECK(one->snapshot.empty());
        const auto other = co_await pg::first_seen(asker, 3);
        REQUIRE(ok(other));
        const auto events = co_await delivered_after(source, other->snapshot, 3);
        CHECK(events.empty());
    });
}

TEST_CASE("I11: first_seen refuses while rows are held, and says what to do") {
    const Schema schema{true};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto asker = co_await connected(schema.options());
        co_await execute(asker, insert_one);
        co_await set_status(asker, "PROCESSING", "{1}");
        const auto held = co_await pg::first_seen(asker, 0);
        REQUIRE_FALSE(held.has_value());
        CHECK(held.error() == Errc::invalid_request);
        CHECK(held.error().detail.find("PROCESSING. Let the relay") != std::string::npos);
        // Another lane is not concerned.
        const auto other = co_await pg::first_seen(asker, 1);
        CHECK(ok(other));
    });
}

TEST_CASE("I11: first_seen refuses a transaction that is delivered in part") {
    const Schema schema{true};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto asker = co_await connected(schema.options());
        co_await execute(asker, "BEGIN");
        co_await execute(asker, insert_one);
        co_await execute(asker, insert_one);
        co_await execute(asker, "COMMIT");
        co_await set_status(asker, "SENT", "{1}");
        const auto torn = co_await pg::first_seen(asker, 0);
        REQUIRE_FALSE(torn.has_value());
        CHECK(torn.error() == Errc::invalid_request);
        CHECK(
            torn.error().detail.find("rows that wait. Run a relay") != std::string::npos
        );
        co_await set_status(asker, "SENT", "{2}");
        const auto whole = co_await pg::first_seen(asker, 0);
        CHECK(ok(whole));
    });
}

TEST_CASE("first_seen: arguments out of range are refused") {
    const Schema schema{true};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto asker = co_await connected(schema.options());
        const auto low = co_await pg::first_seen(asker, -1);
        CHECK(low.error() == Errc::invalid_request);
        const auto high = co_await pg::first_seen(asker, 32'768);
        CHECK(high.error() == Errc::invalid_request);
        const auto many = co_await pg::first_seen(asker, 0, 50'001);
        CHECK(many.error() == Errc::invalid_request);
        // The connection is as it was.
        const auto fine = co_await pg::first_seen(asker, 0);
        CHECK(ok(fine));
    });
}

TEST_CASE("first_seen: after claims of a real relay each event is delivered once") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto writer = co_await connected(schema.options());
        for (int i = 0; i < 10; ++i) co_await execute(writer, insert_one);
        {
            pg::PoolOptions options;
            options.connection = schema.options();
            pg::Pool pool{context.get_executor(), options};
            pg::OutboxSource claims{pool};
            const auto claimed = co_await claims.claim(6);
            REQUIRE(ok(claimed));
            REQUIRE(claimed->size() == 6);
            auto asker = co_await connected(schema.options());
            const auto early = co_await pg::first_seen(asker, 0);
            CHECK_FALSE(early.has_value());
            std::vector<Settlement> verdicts;
            for (const auto& row : *claimed) {
                const bool sent = row.seq <= 4;
                verdicts.push_back(
                    {.seq = row.seq,
                     .disposition = sent ? Disposition::sent : Disposition::released}
                );
            }
            const auto settled = co_await claims.settle(verdicts);
            REQUIRE(ok(settled));
        }
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto identity = co_await source.identity();
        REQUIRE(ok(identity));
        auto asker = co_await connected(schema.options());
        const auto first = co_await pg::first_seen(asker, 0);
        REQUIRE(ok(first));
        const auto events = co_await delivered_after(source, first->snapshot);
        CHECK(events == "5,6,7,8,9,10");
    });
}

TEST_CASE("I11: whoever reads windows and whoever claims keep each other out") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto writer = co_await connected(schema.options());
        co_await execute(writer, insert_one);
        pg::PoolOptions options;
        options.connection = schema.options();
        options.connection.query_timeout = 200ms;
        pg::Pool pool{context.get_executor(), options};
        pg::OutboxSource claims{pool};
        {
            pg::OutboxWindowSource source{
                context.get_executor(), source_options(schema.options())};
            const auto window = co_await source.look();
            REQUIRE(ok(window));
            const auto claimed = co_await claims.claim(1);
            CHECK_FALSE(claimed.has_value());
            const auto status =
                co_await value(writer, "SELECT status FROM outbox_events");
            CHECK(status == "NEW");
        }
        // The server takes a moment to end a session.
        bool free = false;
        for (int i = 0; i < 50 && !free; ++i) {
            const auto claimed = co_await claims.claim(1);
            free = claimed.has_value();
        }
        CHECK(free);

        auto claiming = co_await connected(schema.options());
        co_await execute(claiming, "BEGIN");
        co_await execute(
            claiming,
            "SELECT pg_advisory_xact_lock(1920165985, "
            "'outbox_events'::regclass::oid::int)"
        );
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto barred = co_await source.look();
        REQUIRE_FALSE(barred.has_value());
        CHECK(barred.error() == Errc::unavailable);
        CHECK(barred.error().detail.find("End it") != std::string::npos);
        const auto first = co_await pg::first_seen(writer, 0);
        REQUIRE_FALSE(first.has_value());
        CHECK(first.error() == Errc::unavailable);
        co_await execute(claiming, "COMMIT");
        const auto open = co_await source.look();
        CHECK(ok(open));
    });
}
