// SPDX-License-Identifier: MIT
// Connections that break, and servers that are down, full or refuse.
#include "pool_fixture.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;

TEST_CASE("pool: a connection that comes back broken or busy is replaced") {
    run([](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(1)};
        std::string pid;
        {
            auto connection = co_await borrowed(pool);
            pid = co_await value(*connection, pid_sql);
            connection->close();
        }
        std::optional<Result<pg::Rows>> abandoned;
        {
            auto connection = co_await borrowed(pool);
            CHECK(co_await value(*connection, pid_sql) != pid);
            connection->async_execute(
                "SELECT pg_sleep(60)",
                {},
                [&](Result<pg::Rows> rows) { abandoned = std::move(rows); }
            );
            // The operation starts before the connection is given back.
            co_await until([&, once = false]() mutable {
                return std::exchange(once, true);
            });
        }
        auto connection = co_await borrowed(pool);
        CHECK(co_await value(*connection, "SELECT 1") == "1");
        co_await until([&] { return abandoned.has_value(); });
        CHECK(abandoned->error() == Errc::closed);
        CHECK(pool.stats().connects == 3);
        CHECK(pool.stats().size == 1);
    });
}

TEST_CASE("pool: a connection that the server ended while it was unused is not lent") {
    run([](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(2)};
        auto watcher = co_await connected();
        std::vector<std::string> pids;
        {
            auto one = co_await borrowed(pool);
            auto two = co_await borrowed(pool);
            pids.push_back(co_await value(*one, pid_sql));
            pids.push_back(co_await value(*two, pid_sql));
        }
        for (const auto& pid : pids) {
            co_await value(
                watcher, "SELECT pg_terminate_backend($1)", pg::parameters(pid)
            );
            for (std::string alive = "1"; alive != "0";) {
                alive = co_await value(
                    watcher,
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = $1",
                    pg::parameters(pid)
                );
            }
        }
        auto connection = co_await borrowed(pool);
        CHECK(co_await value(*connection, "SELECT 1") == "1");
        CHECK(pool.stats().size == 1);
        CHECK(pool.stats().connects == 3);
    });
}

TEST_CASE("pool: while the server is down callers fail at once, and one attempt is made"
) {
    run([](net::io_context& context) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto options = pool_options(4);
        options.connection = through(proxy);
        options.reconnect.base = 1h;
        options.reconnect.cap = 1h;
        pg::Pool pool{context.get_executor(), options};
        proxy.refuse(true);
        const auto first = co_await pool.async_acquire();
        CHECK(first.error() == Errc::unavailable);
        CHECK(pool.stats().down);
        CHECK_FALSE(pool.stats().reason.empty());
        for (int i = 0; i < 20; ++i) {
            CHECK((co_await pool.async_acquire()).error() == Errc::unavailable);
        }
        CHECK(proxy.accepted() == 1);
        CHECK(pool.stats().connect_failures == 1);
        CHECK(pool.stats().size == 0);
    });
}

TEST_CASE("pool: it recovers by itself when the server is back") {
    run([](net::io_context& context) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto options = pool_options(4);
        options.connection = through(proxy);
        options.reconnect.base = 1ms;
        options.reconnect.cap = 2ms;
        options.min_size = 1;
        pg::Pool pool{context.get_executor(), options};
        co_await until([&] { return pool.stats().idle == 1; });

        // A connection in use breaks, and those who wait for it learn that nothing comes.
        std::optional<pg::PooledConnection> held = co_await borrowed(pool);
        proxy.refuse(true);
        proxy.cut();
        CHECK(
            (co_await (*held)->async_execute("SELECT 1")).error() == Errc::connection_lost
        );
        held.reset();
        co_await until([&] { return pool.stats().down; });
        CHECK((co_await pool.async_acquire()).error() == Errc::unavailable);

        proxy.refuse(false);
        co_await until([&] { return pool.stats().idle == 1; });
        CHECK_FALSE(pool.stats().down);
        auto connection = co_await borrowed(pool);
        CHECK(co_await value(*connection, "SELECT 1") == "1");
    });
}

TEST_CASE("pool: a server without free places does not fail those who can wait") {
    const Schema schema;
    run([&](net::io_context& context) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto options = pool_options(4);
        options.connection = through(proxy);
        options.reconnect.base = 1h;
        options.reconnect.cap = 1h;
        pg::Pool pool{context.get_executor(), options};
        std::optional<pg::PooledConnection> held = co_await borrowed(pool);
        proxy.refuse(true);
        bool served = false;
        pool.async_acquire([&](Result<pg::PooledConnection> got) {
            served = got.has_value();
        });
        co_await until([&] { return pool.stats().down; });
        CHECK(pool.stats().waiting == 1);
        held.reset();
        co_await until([&] { return served; });
        co_await until([&] { return pool.stats().idle == 1; });
        auto again = co_await borrowed(pool);
        CHECK(co_await value(*again, "SELECT 1") == "1");
    });
}

TEST_CASE("pool: wrong credentials are reported as such") {
    run([](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(1);
        options.connection.password = "hunter2";
        pg::Pool pool{context.get_executor(), options};
        const auto refused = co_await pool.async_acquire();
        CHECK(refused.error() == Errc::access_denied);
        CHECK(pool.stats().reason.find("hunter2") == std::string::npos);
    });
}
