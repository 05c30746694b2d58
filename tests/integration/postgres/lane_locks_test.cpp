// SPDX-License-Identifier: MIT
#include "window_tools.hpp"

#include <resilience/postgres/lane_locks.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::LaneCensus;
using resilience::LaneOwnership;

namespace {

using Lanes = std::vector<int>;

pg::LaneLocksOptions locks_options(pg::ConnectionOptions connection, int lanes = 4) {
    pg::LaneLocksOptions options;
    options.connection = std::move(connection);
    options.connection.application_name = "lanes";
    options.lanes = lanes;
    return options;
}

net::awaitable<LaneCensus> look(LaneOwnership& locks) {
    const auto census = co_await locks.look();
    if (!census) FAIL(census.error().message());
    co_return *census;
}

net::awaitable<bool> take(LaneOwnership& locks, int lane) {
    const auto taken = co_await locks.take(lane);
    if (!taken) FAIL(taken.error().message());
    co_return *taken;
}

// Looks until there are so many members: a session that ends does so in its own time.
net::awaitable<LaneCensus> look_until(LaneOwnership& locks, int members) {
    net::steady_timer timer{co_await net::this_coro::executor};
    for (int tries = 0; tries < 500; ++tries) {
        const auto census = co_await look(locks);
        if (census.members == members) co_return census;
        timer.expires_after(10ms);
        co_await timer.async_wait(net::use_awaitable);
    }
    FAIL("there were never " << members << " members");
    co_return LaneCensus{};
}

// The process of the only session that speaks for lanes of this schema.
const std::string lane_sessions =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 2 AND objid < 64 "
    "AND classid::bigint = to_regclass('outbox_events')::oid::bigint # 1381190734";

}  // namespace

TEST_CASE("lanes are shared by all who join, and each belongs to one at most") {
    const Schema schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        const auto executor = context.get_executor();
        pg::LaneLocks first{executor, locks_options(schema.options())};
        pg::LaneLocks second{executor, locks_options(schema.options())};
        const auto alone = co_await look(first);
        CHECK(alone.members == 1);
        CHECK(alone.held.empty());
        CHECK(alone.free == Lanes{0, 1, 2, 3});

        CHECK(co_await take(first, 0));
        CHECK(co_await take(first, 3));
        const auto joined = co_await look(second);
        CHECK(joined.members == 2);
        CHECK(joined.held.empty());
        CHECK(joined.free == Lanes{1, 2});
        const bool stolen = co_await take(second, 3);
        CHECK_FALSE(stolen);
        CHECK(co_await take(second, 1));

        const auto given = co_await first.give_up(3);
        CHECK(ok(given));
        CHECK(co_await take(second, 3));
        const auto now = co_await look(first);
        CHECK(now.members == 2);
        CHECK(now.held == Lanes{0});
        CHECK(now.free == Lanes{2});
    });
}

TEST_CASE("whoever leaves or ends has nothing any more, and joins again when it looks") {
    const Schema schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        const auto executor = context.get_executor();
        pg::LaneLocks stays{executor, locks_options(schema.options())};
        (void)co_await look(stays);
        {
            pg::LaneLocks ends{executor, locks_options(schema.options())};
            (void)co_await look(ends);
            CHECK(co_await take(ends, 2));
        }
        const auto after_end = co_await look_until(stays, 1);
        CHECK(after_end.free == Lanes{0, 1, 2, 3});

        pg::LaneLocks leaves{executor, locks_options(schema.options())};
        (void)co_await look(leaves);
        CHECK(co_await take(leaves, 2));
        leaves.leave();
        const auto after_leave = co_await look_until(stays, 1);
        CHECK(after_leave.free == Lanes{0, 1, 2, 3});
        const auto not_a_member = co_await leaves.take(2);
        CHECK(not_a_member.error() == Errc::unavailable);
        const auto again = co_await look(leaves);
        CHECK(again.members == 2);
        CHECK(again.held.empty());
    });
}

TEST_CASE("with its session an instance loses all of its lanes, and another takes them") {
    const Schema schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        const auto executor = context.get_executor();
        pg::LaneLocks dies{executor, locks_options(schema.options())};
        (void)co_await look(dies);
        CHECK(co_await take(dies, 0));
        CHECK(co_await take(dies, 1));
        auto admin = co_await connected(schema.options());
        const auto ended = co_await value(admin, lane_sessions);
        CHECK(ended == "2");

        pg::LaneLocks lives{executor, locks_options(schema.options())};
        const auto found = co_await look_until(lives, 1);
        CHECK(found.free == Lanes{0, 1, 2, 3});
        CHECK(co_await take(lives, 0));

        // It learns of it at the next look, whatever it asks first.
        const auto told = co_await dies.look();
        REQUIRE_FALSE(told.has_value());
        CHECK(resilience::is_retryable(told.error().code));
        const auto anew = co_await look(dies);
        CHECK(anew.members == 2);
        CHECK(anew.held.empty());
        CHECK(anew.free == Lanes{1, 2, 3});
    });
}

TEST_CASE("after a lane that could not be asked for, nothing is held") {
    const Schema schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        const auto executor = context.get_executor();
        pg::LaneLocks locks{executor, locks_options(schema.options())};
        pg::LaneLocks other{executor, locks_options(schema.options())};
        (void)co_await look(other);
        for (const int wrong : {-1, 4}) {
            (void)co_await look(locks);
            CHECK(co_await take(locks, 1));
            const auto refused = co_await locks.take(wrong);
            CHECK(refused.error() == Errc::invalid_request);
            const auto left = co_await look_until(other, 1);
            CHECK(left.free == Lanes{0, 1, 2, 3});
        }
        (void)co_await look(locks);
        const auto not_held = co_await locks.give_up(2);
        CHECK(not_held.error() == Errc::invalid_request);
        (void)co_await look_until(other, 1);
    });
}

TEST_CASE("instances with different numbers of lanes find each other out") {
    const Schema schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        const auto executor = context.get_executor();
        pg::LaneLocks four{executor, locks_options(schema.options(), 4)};
        pg::LaneLocks eight{executor, locks_options(schema.options(), 8)};
        (void)co_await look(four);
        const auto refused = co_await eight.look();
        REQUIRE(refused.error() == Errc::invalid_request);
        CHECK_MESSAGE(
            refused.error().detail.find("has 4 of them, this one 8") != std::string::npos,
            refused.error().detail
        );
        // The one that was refused is never in the way of the other.
        CHECK((co_await look(four)).members == 1);
    });
}

TEST_CASE("the lanes of other tables and the locks of other programs do not count") {
    const Schema schema(true);
    const Schema other_schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        const auto executor = context.get_executor();
        pg::LaneLocks locks{executor, locks_options(schema.options())};
        pg::LaneLocks others{executor, locks_options(other_schema.options())};
        auto program = co_await connected(schema.options());
        // By the number of the table, as many do, and by one number of 64 bits.
        co_await execute(
            program, "SELECT pg_advisory_lock(to_regclass('outbox_events')::oid::int, 1)"
        );
        co_await execute(program, "SELECT pg_advisory_lock(1)");
        (void)co_await look(others);
        CHECK(co_await take(others, 0));
        const auto census = co_await look(locks);
        CHECK(census.members == 1);
        CHECK(census.free == Lanes{0, 1, 2, 3});
    });
}

TEST_CASE("a connection that is cut takes the lanes with it") {
    const Schema schema(true);
    contract::TcpProxy proxy{server().host, server().port};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::LaneLocks locks{
            context.get_executor(), locks_options(through(proxy, schema.options()))};
        (void)co_await look(locks);
        CHECK(co_await take(locks, 0));
        proxy.cut();
        const auto told = co_await locks.look();
        REQUIRE_FALSE(told.has_value());
        CHECK(resilience::is_retryable(told.error().code));
        const auto anew = co_await look_until(locks, 1);
        CHECK(anew.held.empty());
    });
}

TEST_CASE("an instance that is no member although it has joined says so") {
    const Schema schema(true);
    // As when a pooler gives each statement another session.
    schema.script(
        "CREATE FUNCTION pg_try_advisory_lock_shared(int, int) RETURNS boolean "
        "LANGUAGE sql AS 'SELECT true'"
    );
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto connection = schema.options();
        connection.extra.front().second += ",pg_catalog";
        pg::LaneLocks locks{context.get_executor(), locks_options(connection)};
        const auto told = co_await locks.look();
        REQUIRE(told.error() == Errc::invalid_request);
        CHECK(told.error().detail.find("pooler") != std::string::npos);
    });
}

TEST_CASE("without the table there is nothing to share") {
    const Schema schema(false);
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::LaneLocks locks{context.get_executor(), locks_options(schema.options())};
        const auto refused = co_await locks.look();
        CHECK(refused.error() == Errc::bad_destination);
    });
}

TEST_CASE("the number of lanes is 1 to 64") {
    net::io_context context;
    for (const int wrong : {0, 65, -1}) {
        CHECK_THROWS_WITH_AS(
            (pg::LaneLocks{context.get_executor(), locks_options(server(), wrong)}),
            doctest::Contains("lanes"),
            std::invalid_argument
        );
    }
}

TEST_CASE("the session is watched by the server and never ended for being idle") {
    const Schema schema(true);
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto connection = schema.options();
        connection.extra.front().second += " -cidle_session_timeout=50ms";
        pg::LaneLocks locks{context.get_executor(), locks_options(connection)};
        net::steady_timer timer{context};
        // Until its first statement the session is one like any other: it may be ended
        // before that, where this process is given no time.
        for (int tries = 1;; ++tries) {
            const auto joined = co_await locks.look();
            if (joined) break;
            REQUIRE_MESSAGE(tries < 100, joined.error().message());
            timer.expires_after(10ms);
            co_await timer.async_wait(net::use_awaitable);
        }
        CHECK(co_await take(locks, 1));
        timer.expires_after(200ms);
        co_await timer.async_wait(net::use_awaitable);
        const auto census = co_await look(locks);
        CHECK(census.held == Lanes{1});
    });
}
