// SPDX-License-Identifier: MIT
#include "server.hpp"

#include "src/postgres/outbox_sql.hpp"

#include <resilience/detail/rfc3339.hpp>
#include <resilience/outbox.hpp>
#include <resilience/postgres/outbox_source.hpp>

#include <string>
#include <utility>

using namespace postgres_tests;

namespace {

constexpr const char* fill_sql =
    "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
    "event_data, topic, partition_key) SELECT gen_random_uuid(), 'user', i::text, "
    "'user.created', '{}', 'topic', i::text FROM generate_series(1, 2000) AS i";

net::awaitable<std::string> plan_of(pg::Connection& connection, std::string statement) {
    auto rows = co_await connection.async_execute("EXPLAIN " + std::move(statement));
    if (!rows) FAIL(rows.error().message());
    std::string plan;
    for (const auto row : *rows) plan.append(row.text(0)) += '\n';
    co_return plan;
}

}  // namespace

TEST_CASE(
    "outbox: a claim never compares its rows pair by pair, whatever is known of them"
) {
    const Schema schema{true};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        REQUIRE(ok(co_await connection.async_run_script(
            "ALTER TABLE outbox_events SET (autovacuum_enabled = false); ANALYZE "
            "outbox_events"
        )));
        REQUIRE(ok(co_await connection.async_execute(fill_sql)));
        REQUIRE(ok(co_await connection.async_run_script(
            "PREPARE claim (bigint, bigint[], uuid) AS " +
            pg::sql::with_limit(pg::sql::claim, 1000)
        )));
        REQUIRE(ok(co_await connection.async_run_script(
            "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off"
        )));
        const auto plan = co_await plan_of(
            connection,
            "EXECUTE claim (67108864, '{}', '00000000-0000-7000-8000-000000000001')"
        );
        INFO(plan);
        CHECK(plan.find("Nested Loop") == std::string::npos);
        CHECK(plan.find("Seq Scan") == std::string::npos);
    });
}

TEST_CASE("I6: no claim returns an event that a crash of the server could take back") {
    const Schema schema{true};
    auto options = schema.options();
    for (auto& [name, value] : options.extra) {
        if (name == "options") value += " -csynchronous_commit=off";
    }
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), {.connection = options}};
        pg::OutboxSource source{pool};
        auto connection = co_await connected(options);
        // A flush of the server's own could come at the right moment, but not each time.
        for (int i = 0; i < 20; ++i) {
            REQUIRE(ok(co_await connection.async_execute(fill_sql)));
            const auto written =
                co_await value(connection, "SELECT pg_current_wal_insert_lsn()::text");
            auto events = co_await source.claim(1);
            REQUIRE(ok(events));
            REQUIRE(events->size() == 1);
            const auto flushed = co_await value(
                connection,
                "SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn",
                pg::parameters(written)
            );
            CHECK(flushed == "t");
        }
    });
}

TEST_CASE("O5: a time that the clock does not reach is a defect, never another time") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), {.connection = schema.options()}};
        pg::OutboxSource source{pool};
        auto connection = co_await connected(schema.options());
        const std::pair<const char*, const char*> times[] = {
            {"2026-01-31 23:59:59.123456+00", "2026-01-31T23:59:59.123456Z"},
            {"1678-01-01 00:00:00+00", "1678-01-01T00:00:00.000000Z"},
            {"2261-12-31 23:59:59.999999+00", "2261-12-31T23:59:59.999999Z"},
            {"1677-12-31 23:59:59+00", nullptr},
            {"2262-01-01 00:00:00+00", nullptr},
            {"4713-01-01 00:00:00+00 BC", nullptr},
            // Microseconds since 1970 are more than 64 bits hold.
            {"294276-12-31 00:00:00+00", nullptr},
            {"infinity", nullptr},
            {"-infinity", nullptr}};
        for (const auto& [text, shown] : times) {
            auto values = pg::parameters(text);
            const auto written = co_await connection.async_execute(
                "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, "
                "event_type, "
                "event_data, topic, created_at) VALUES (gen_random_uuid(), 'user', '1', "
                "'user.created', '{}', 'topic', $1)",
                std::move(values)
            );
            REQUIRE(ok(written));
            const auto depth = co_await source.depth();
            CHECK(ok(depth));
            const auto events = co_await source.claim(10);
            REQUIRE(ok(events));
            REQUIRE(events->size() == 1);
            const auto& event = events->front();
            CHECK(event.defect.empty() == (shown != nullptr));
            REQUIRE(event.event.created_at.has_value() == (shown != nullptr));
            if (shown == nullptr) {
                CHECK(event.defect.starts_with("created_at: "));
            } else {
                CHECK(
                    resilience::detail::format_rfc3339(*event.event.created_at) == shown
                );
            }
        }
    });
}
