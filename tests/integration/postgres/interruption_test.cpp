// SPDX-License-Identifier: MIT
// What happens when an operation does not end by itself: deadlines, cancellation, and a
// server or a network that goes away.
#include "server.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <array>

using namespace postgres_tests;

namespace {

const std::string pid_sql = "SELECT pg_backend_pid()";

// Whether the backend `pid` executes something.
net::awaitable<bool> active(pg::Connection& watcher, std::string pid) {
    const auto count = co_await value(
        watcher,
        "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'",
        pg::parameters(pid)
    );
    co_return count == "1";
}

net::awaitable<void> until_active(pg::Connection& watcher, std::string pid) {
    for (;;) {
        const bool now = co_await active(watcher, pid);
        if (now) co_return;
    }
}

}  // namespace

TEST_CASE("deadline: the statement is cancelled at the server and the connection usable"
) {
    run([](net::io_context&) -> net::awaitable<void> {
        for (const auto mode : {pg::SslMode::disable, pg::SslMode::require}) {
            auto options = server();
            options.ssl_mode = mode;
            options.query_timeout = 100ms;
            options.drain_timeout = 10s;
            auto connection = co_await connected(options);
            auto watcher = co_await connected();
            const auto pid = co_await value(connection, pid_sql);
            for (int i = 0; i < 3; ++i) {
                const auto slept =
                    co_await connection.async_execute("SELECT pg_sleep(60)");
                REQUIRE_FALSE(slept.has_value());
                CHECK(slept.error() == Errc::timed_out_in_doubt);
                CHECK(slept.error().detail == "within 100 ms");
                CHECK_FALSE(co_await active(watcher, pid));
                CHECK(connection.is_open());
                CHECK(co_await value(connection, pid_sql) == pid);
            }
            const auto script =
                co_await connection.async_run_script("SELECT pg_sleep(60)");
            CHECK(script.error() == Errc::timed_out_in_doubt);
            CHECK(co_await value(connection, pid_sql) == pid);
        }
    });
}

TEST_CASE("deadline: a server that does not even cancel costs the connection") {
    run([](net::io_context&) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto options = through(proxy);
        options.query_timeout = 50ms;
        options.drain_timeout = 50ms;
        options.connect_timeout = 1s;
        auto connection = co_await connected(options);
        proxy.freeze(true);
        const auto result = co_await connection.async_execute("SELECT 1");
        CHECK(result.error() == Errc::timed_out_in_doubt);
        CHECK_FALSE(connection.is_open());
        proxy.freeze(false);
        REQUIRE(ok(co_await connection.async_connect()));
        proxy.cut();
    });
}

TEST_CASE("cancellation: of each kind ends the statement at the server") {
    using net::cancellation_type;
    run([](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        auto watcher = co_await connected();
        const auto pid = co_await value(connection, pid_sql);
        const std::array<cancellation_type, 3> kinds{
            cancellation_type::terminal,
            cancellation_type::partial,
            cancellation_type::total};
        for (const auto kind : kinds) {
            net::cancellation_signal signal;
            std::optional<Result<pg::Rows>> result;
            connection.async_execute(
                "SELECT pg_sleep(60)",
                {},
                net::bind_cancellation_slot(
                    signal.slot(),
                    [&](Result<pg::Rows> rows) { result = std::move(rows); }
                )
            );
            co_await until_active(watcher, pid);
            signal.emit(kind);
            co_await until([&] { return result.has_value(); });
            CHECK(result->error() == Errc::cancelled_in_doubt);
            CHECK_FALSE(co_await active(watcher, pid));
            CHECK(co_await value(connection, pid_sql) == pid);
        }
    });
}

TEST_CASE("close: the operation under way fails and the connection is gone") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        auto watcher = co_await connected();
        const auto pid = co_await value(connection, pid_sql);
        std::optional<Result<pg::Rows>> result;
        connection.async_execute("SELECT pg_sleep(60)", {}, [&](Result<pg::Rows> rows) {
            result = std::move(rows);
        });
        co_await until_active(watcher, pid);
        connection.close();
        co_await until([&] { return result.has_value(); });
        CHECK(result->error() == Errc::closed);
        CHECK_FALSE(connection.is_open());
    });
}

TEST_CASE("a statement that the server's own timeout ends had no effect") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto options = server();
        options.extra = {{"options", "-cstatement_timeout=50 -clock_timeout=20"}};
        auto connection = co_await connected(options);
        const auto slept = co_await connection.async_execute("SELECT pg_sleep(60)");
        CHECK(slept.error() == Errc::timed_out);

        auto holder = co_await connected();
        co_await value(holder, "SELECT pg_advisory_lock(1), 1");
        const auto locked =
            co_await connection.async_execute("SELECT pg_advisory_lock(1)");
        CHECK(locked.error() == Errc::serialization_conflict);
    });
}

TEST_CASE("a backend that is terminated in the middle of a statement is a lost connection"
) {
    run([](net::io_context&) -> net::awaitable<void> {
        for (const bool script : {false, true}) {
            auto connection = co_await connected();
            auto watcher = co_await connected();
            const auto pid = co_await value(connection, pid_sql);
            std::optional<resilience::Failure> failure;
            if (script) {
                connection.async_run_script(
                    "SELECT pg_sleep(60)",
                    [&](Result<void> done) { failure = done.error(); }
                );
            } else {
                connection.async_execute(
                    "SELECT pg_sleep(60)",
                    {},
                    [&](Result<pg::Rows> done) { failure = done.error(); }
                );
            }
            co_await until_active(watcher, pid);
            co_await value(
                watcher, "SELECT pg_terminate_backend($1)", pg::parameters(pid)
            );
            co_await until([&] { return failure.has_value(); });
            CHECK(*failure == Errc::connection_lost);
            CHECK(failure->detail.find("terminating connection") != std::string::npos);
            CHECK_FALSE(connection.is_open());
            REQUIRE(ok(co_await connection.async_connect()));
            CHECK(co_await value(connection, pid_sql) != pid);
        }
    });
}

TEST_CASE("a cut wire is a lost connection, while waiting and before sending") {
    run([](net::io_context&) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto connection = co_await connected(through(proxy));
        auto watcher = co_await connected();
        const auto pid = co_await value(connection, pid_sql);
        std::optional<Result<pg::Rows>> result;
        connection.async_execute("SELECT pg_sleep(60)", {}, [&](Result<pg::Rows> rows) {
            result = std::move(rows);
        });
        co_await until_active(watcher, pid);
        proxy.cut();
        co_await until([&] { return result.has_value(); });
        CHECK(result->error() == Errc::connection_lost);
        co_await value(watcher, "SELECT pg_cancel_backend($1)", pg::parameters(pid));

        REQUIRE(ok(co_await connection.async_connect()));
        proxy.cut();
        const auto after = co_await connection.async_execute("SELECT 1");
        CHECK(after.error() == Errc::connection_lost);
        CHECK_FALSE(connection.is_open());

        proxy.refuse(true);
        CHECK((co_await connection.async_connect()).error() == Errc::unavailable);
        proxy.refuse(false);
        REQUIRE(ok(co_await connection.async_connect()));
    });
}

TEST_CASE("an operation outlives the connection object, and the context its operations") {
    net::io_context context;
    std::optional<Result<pg::Rows>> result;
    const auto work = [&](net::io_context&) -> net::awaitable<void> {
        {
            auto connection = co_await connected();
            connection.async_execute(
                "SELECT pg_sleep(0.05)",
                {},
                [&](Result<pg::Rows> rows) { result = std::move(rows); }
            );
        }
        co_await until([&] { return result.has_value(); });
        CHECK(result->has_value());
    };
    run(context, work(context));

    auto abandoned = std::make_unique<net::io_context>();
    pg::Connection connection{abandoned->get_executor(), server()};
    bool open = false;
    connection.async_connect([&](Result<void> opened) { open = opened.has_value(); });
    abandoned->run();
    REQUIRE(open);
    abandoned->restart();
    connection.async_execute("SELECT pg_sleep(60)", {}, [](Result<pg::Rows>) {});
    abandoned->run_for(20ms);
    { const auto gone = std::move(connection); }
    abandoned.reset();
}

TEST_CASE("operations that are refused at once do not pile up on the stack") {
    run([](net::io_context& context) -> net::awaitable<void> {
        pg::Connection connection{context.get_executor(), server()};
        for (int i = 0; i < 100'000; ++i) {
            const auto refused = co_await connection.async_execute("SELECT 1");
            if (refused.has_value()) FAIL("it is not connected");
        }
    });
}
