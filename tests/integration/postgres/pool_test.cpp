// SPDX-License-Identifier: MIT
#include "pool_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace postgres_tests;

TEST_CASE("pool: options that are out of range are named") {
    net::io_context context;
    const auto refusal = [&](auto spoil) {
        auto options = pool_options(2);
        spoil(options);
        try {
            const pg::Pool pool{context.get_executor(), options};
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    CHECK(refusal([](auto& o) { o.max_size = 0; }).starts_with("max_size: "));
    CHECK(refusal([](auto& o) { o.min_size = 3; }).starts_with("min_size: "));
    CHECK(refusal([](auto& o) { o.acquire_timeout = 0ms; }
    ).starts_with("acquire_timeout: "));
    CHECK(refusal([](auto& o) { o.idle_lifetime = 0ms; }).starts_with("idle_lifetime: "));
    CHECK(refusal([](auto& o) { o.connection.port = 0; }).starts_with("port: "));
    CHECK(refusal([](auto& o) { o.reconnect.factor = 0; }
    ).starts_with("RetryOptions::factor "));
}

TEST_CASE("pool: a connection that comes back is lent again") {
    run([](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(2)};
        std::string first;
        {
            auto connection = co_await borrowed(pool);
            first = co_await value(*connection, pid_sql);
            CHECK(pool.stats().size == 1);
            CHECK(pool.stats().idle == 0);
        }
        auto connection = co_await borrowed(pool);
        CHECK(co_await value(*connection, pid_sql) == first);
        CHECK(pool.stats().connects == 1);
        CHECK_FALSE(pool.stats().down);
    });
}

TEST_CASE("pool: callers beyond its size wait in order, and beyond the queue are refused"
) {
    run([](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(1);
        options.max_waiting = 2;
        pg::Pool pool{context.get_executor(), options};
        std::optional<pg::PooledConnection> held = co_await borrowed(pool);
        std::vector<int> served;
        const auto wait = [&](int number) {
            pool.async_acquire([&, number](Result<pg::PooledConnection> connection) {
                if (connection) served.push_back(number);
            });
        };
        wait(1);
        co_await until([&] { return pool.stats().waiting == 1; });
        wait(2);
        co_await until([&] { return pool.stats().waiting == 2; });
        CHECK((co_await pool.async_acquire()).error() == Errc::queue_full);
        CHECK(pool.stats().refused == 1);
        CHECK(served.empty());
        held.reset();
        co_await until([&] { return served.size() == 2; });
        CHECK(served == std::vector<int>{1, 2});
        CHECK(pool.stats().connects == 1);
    });
}

TEST_CASE("pool: a caller gives up after acquire_timeout, or when cancelled") {
    run([](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(1);
        options.acquire_timeout = 50ms;
        options.min_size = 1;
        pg::Pool pool{context.get_executor(), options};
        co_await until([&] { return pool.stats().idle == 1; });
        const auto held = co_await borrowed(pool);
        const auto late = co_await pool.async_acquire();
        CHECK(late.error() == Errc::timed_out);
        CHECK(late.error().detail.find("50 ms") != std::string::npos);
        CHECK(pool.stats().waiting == 0);

        options.acquire_timeout = 60s;
        pg::Pool patient{context.get_executor(), options};
        const auto other = co_await borrowed(patient);
        net::cancellation_signal signal;
        std::optional<resilience::Failure> failure;
        patient.async_acquire(net::bind_cancellation_slot(
            signal.slot(),
            [&](Result<pg::PooledConnection> got) { failure = got.error(); }
        ));
        co_await until([&] { return patient.stats().waiting == 1; });
        signal.emit(net::cancellation_type::total);
        co_await until([&] { return failure.has_value(); });
        CHECK(*failure == Errc::cancelled);
        CHECK(patient.stats().waiting == 0);
    });
}

TEST_CASE(
    "pool: a transaction left open is rolled back before the connection is lent again"
) {
    const Schema schema;
    schema.script("CREATE TABLE t (id int)");
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(1);
        options.connection = schema.options();
        pg::Pool pool{context.get_executor(), options};
        std::string pid;
        for (const bool raw : {false, true}) {
            auto connection = co_await borrowed(pool);
            pid = co_await value(*connection, pid_sql);
            if (raw) {
                REQUIRE(ok(co_await connection->async_execute("BEGIN")));
                REQUIRE(ok(co_await connection->async_execute("INSERT INTO t VALUES (1)"))
                );
            } else {
                auto transaction = co_await pg::Transaction::async_begin(*connection);
                REQUIRE(ok(co_await transaction->async_execute("INSERT INTO t VALUES (1)")
                ));
            }
        }
        auto connection = co_await borrowed(pool);
        CHECK(co_await value(*connection, "SELECT count(*) FROM t") == "0");
        CHECK(co_await value(*connection, "SELECT count(*) FROM t") == "0");
        CHECK(co_await value(*connection, pid_sql) == pid);
        CHECK(pool.stats().connects == 1);
    });
}

TEST_CASE("pool: unused connections above min_size are closed after idle_lifetime") {
    run([](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(3);
        options.min_size = 1;
        options.idle_lifetime = 1s;
        pg::Pool pool{context.get_executor(), options};
        {
            auto one = co_await borrowed(pool);
            auto two = co_await borrowed(pool);
            auto three = co_await borrowed(pool);
        }
        co_await until([&] { return pool.stats().idle == 3; });
        co_await until([&] { return pool.stats().size == 1; });
        CHECK(pool.stats().idle == 1);
    });
}

TEST_CASE("pool: closing it refuses callers, and loans may outlive it") {
    run([](net::io_context& context) -> net::awaitable<void> {
        auto pool = std::make_unique<pg::Pool>(context.get_executor(), pool_options(1));
        std::optional<pg::PooledConnection> held = co_await borrowed(*pool);
        std::optional<resilience::Failure> waiting;
        pool->async_acquire([&](Result<pg::PooledConnection> got) {
            waiting = got.error();
        });
        co_await until([&] { return pool->stats().waiting == 1; });
        pool->close();
        co_await until([&] { return waiting.has_value(); });
        CHECK(*waiting == Errc::closed);
        CHECK((co_await pool->async_acquire()).error() == Errc::closed);
        CHECK(co_await value(**held, "SELECT 1") == "1");
        pool.reset();
        CHECK(co_await value(**held, "SELECT 1") == "1");
    });
}

TEST_CASE("pool: with_transaction commits what succeeded and rolls back what did not") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int)");
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(1);
        options.connection = schema.options();
        pg::Pool pool{context.get_executor(), options};
        const auto insert = [](pg::Transaction& t
                            ) -> net::awaitable<Result<std::int64_t>> {
            auto rows = co_await t.async_execute("INSERT INTO t VALUES (1)");
            if (!rows) co_return rows.error();
            co_return rows->affected();
        };
        const auto refuse = [&](pg::Transaction& t
                            ) -> net::awaitable<Result<std::int64_t>> {
            (void)co_await insert(t);
            co_return fail(Errc::not_found);
        };
        const auto throws = [&](pg::Transaction& t
                            ) -> net::awaitable<Result<std::int64_t>> {
            (void)co_await insert(t);
            throw std::runtime_error("thrown");
        };
        CHECK((co_await pg::with_transaction(pool, insert)).value() == 1);
        CHECK((co_await pg::with_transaction(pool, refuse)).error() == Errc::not_found);
        bool caught = false;
        try {
            (void)co_await pg::with_transaction(pool, throws);
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        auto connection = co_await borrowed(pool);
        CHECK(co_await value(*connection, "SELECT count(*) FROM t") == "1");
    });
}

TEST_CASE("pool: it serves many coroutines on many threads") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int)");
    net::thread_pool threads{8};
    auto options = pool_options(4);
    options.connection = schema.options();
    options.max_waiting = 1000;
    options.acquire_timeout = 60s;
    std::atomic<int> good = 0;
    {
        pg::Pool pool{threads.get_executor(), options};
        const auto work = [&](int number) -> net::awaitable<void> {
            for (int i = 0; i < 20; ++i) {
                auto connection = co_await pool.async_acquire();
                if (!connection) co_return;
                auto transaction = co_await pg::Transaction::async_begin(**connection);
                if (!transaction) co_return;
                auto rows = co_await transaction->async_execute(
                    "INSERT INTO t VALUES ($1)", pg::parameters(number)
                );
                // Every third is left to the pool to roll back.
                if (i % 3 == 0) continue;
                if (rows && co_await transaction->async_commit()) ++good;
            }
        };
        std::vector<std::future<void>> ends;
        for (int number = 0; number < 40; ++number) {
            ends.push_back(net::co_spawn(threads, work(number), net::use_future));
        }
        for (auto& end : ends) end.get();
        CHECK(pool.stats().size <= 4);
    }
    threads.join();
    CHECK(good == 40 * 13);
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        CHECK(co_await value(connection, "SELECT count(*) FROM t") == "520");
    });
}
