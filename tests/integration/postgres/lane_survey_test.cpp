// SPDX-License-Identifier: MIT
#include "delivered_tools.hpp"
#include "window_tools.hpp"

#include "src/postgres/outbox_sql.hpp"

#include <resilience/postgres/lane_locks.hpp>
#include <resilience/postgres/lane_survey.hpp>

#include <string>

using namespace postgres_tests;
using resilience::LanePosition;

namespace {

net::awaitable<std::int64_t> waiting(
    pg::Connection& connection, const LanePosition& position, std::int64_t most = 1000
) {
    const auto backlog = co_await pg::lane_backlog(connection, 0, position, most);
    REQUIRE(ok(backlog));
    CHECK(backlog->age.has_value() == (backlog->events > 0));
    const auto recent = co_await pg::recent_lane_backlog(connection, 0, position, most);
    REQUIRE(ok(recent));
    CHECK(recent->events == backlog->events);
    CHECK(recent->more == backlog->more);
    co_return backlog->events;
}

}  // namespace

TEST_CASE("I3: what waits is what is committed and not delivered, to the row") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto identity = co_await source.identity();
        REQUIRE(ok(identity));
        auto reader = co_await connected(schema.options());
        auto writer = co_await connected(schema.options());
        auto late = co_await connected(schema.options());
        co_await execute(late, "BEGIN");
        co_await execute(late, insert_one);
        for (int i = 0; i < 5; ++i) co_await execute(writer, insert_one);
        LanePosition position{.source = *identity};
        const auto count1 = co_await waiting(reader, position);
        CHECK(count1 == 5);
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        // In the midst of a window: rows 2 to 4 are delivered.
        position.window = window->snapshot;
        position.last_seq = 4;
        const auto count2 = co_await waiting(reader, position);
        CHECK(count2 == 2);
        // The window is done, and what was in progress ends.
        position.seen = window->snapshot;
        position.last_seq = 0;
        const auto count3 = co_await waiting(reader, position);
        CHECK(count3 == 0);
        co_await execute(late, "COMMIT");
        const auto count4 = co_await waiting(reader, position);
        CHECK(count4 == 1);
        co_await execute(writer, insert_one);
        const auto count5 = co_await waiting(reader, position);
        CHECK(count5 == 2);
        const auto most = co_await pg::lane_backlog(reader, 0, position, 1);
        REQUIRE(ok(most));
        CHECK(most->events == 1);
        CHECK(most->more);
        const auto fewer = co_await pg::recent_lane_backlog(reader, 0, position, 1);
        REQUIRE(ok(fewer));
        CHECK(fewer->events == 1);
        CHECK(fewer->more);
        const auto other = co_await pg::lane_backlog(reader, 1, position);
        REQUIRE(ok(other));
        CHECK(other->events == 0);
        // Nothing is delivered without a position.
        const auto all = co_await pg::lane_backlog(reader, 0, std::nullopt);
        REQUIRE(ok(all));
        CHECK(all->events == 7);
    });
}

TEST_CASE("what waits in a large window is counted without going through the rest of it"
) {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto identity = co_await source.identity();
        REQUIRE(ok(identity));
        auto reader = co_await connected(schema.options());
        auto early = co_await connected(schema.options());
        auto writer = co_await connected(schema.options());
        co_await execute(early, "BEGIN");
        co_await execute(early, insert_one);
        for (int i = 0; i < 3; ++i) {
            co_await execute(writer, insert_rows(0, 1000));
        }
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        LanePosition position{
            .source = *identity, .window = window->snapshot, .last_seq = 2971};
        const auto count1 = co_await waiting(reader, position, 100);
        CHECK(count1 == 30);
        // The first of all, of a transaction that the window does not show.
        co_await execute(early, "COMMIT");
        const auto count2 = co_await waiting(reader, position, 100);
        CHECK(count2 == 31);

        co_await execute(reader, pg::sql::window_session);
        const auto prepared = co_await reader.async_run_script(
            std::string{"PREPARE recent AS "} + pg::sql::lane_backlog_recent
        );
        REQUIRE(ok(prepared));
        const auto rows = co_await reader.async_execute(
            "EXPLAIN (ANALYZE, COSTS off, TIMING off) EXECUTE recent (0, '1:1:', '" +
            position.window + "', 2971, 101, 200)"
        );
        REQUIRE(ok(rows));
        std::string plan;
        for (const auto row : *rows) plan += std::string{row.text(0)} + "\n";
        INFO(plan);
        CHECK(plan.find("Sort") == std::string::npos);
        CHECK(plan.find("Seq Scan") == std::string::npos);
        CHECK(
            plan.find("Index Scan Backward using outbox_events_window on outbox_events "
                      "outbox_events_1 (actual rows=200 ") != std::string::npos
        );
    });
}

TEST_CASE("I11: a position of another history is refused, not counted by") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto identity = co_await source.identity();
        REQUIRE(ok(identity));
        auto reader = co_await connected(schema.options());
        LanePosition position{.source = *identity};
        ++position.source.timeline;
        const auto promoted = co_await pg::lane_backlog(reader, 0, position);
        REQUIRE(promoted.has_error());
        CHECK(promoted.error() == resilience::Errc::history_changed);
        position.source = *identity;
        position.seen = position.window = "900000000000:900000000000:";
        const auto ahead = co_await pg::lane_backlog(reader, 0, position);
        REQUIRE(ahead.has_error());
        CHECK(ahead.error() == resilience::Errc::history_changed);
    });
}

TEST_CASE("a survey names the owners of lanes and does not share them") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto reader = co_await connected(schema.options());
        const auto before = co_await pg::survey_lanes(reader);
        REQUIRE(ok(before));
        CHECK(before->members == 0);
        CHECK_FALSE(before->lanes.has_value());
        CHECK(before->owners.empty());
        pg::LaneLocks locks{
            context.get_executor(), {.connection = schema.options(), .lanes = 3}};
        const auto joined = co_await locks.look();
        REQUIRE(ok(joined));
        const auto taken = co_await locks.take(2);
        REQUIRE(ok(taken));
        const auto after = co_await pg::survey_lanes(reader);
        REQUIRE(ok(after));
        CHECK(after->members == 1);
        CHECK(after->lanes == 3);
        REQUIRE(after->owners.size() == 1);
        CHECK(after->owners[0].lane == 2);
        CHECK(after->owners[0].process > 0);
        const auto census = co_await locks.look();
        REQUIRE(ok(census));
        CHECK(census->members == 1);
        locks.leave();
    });
}
