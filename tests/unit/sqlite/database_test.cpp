// SPDX-License-Identifier: MIT
#include "unit/sqlite/database_world.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <thread>

using namespace resilience;
using namespace resilience::sqlite;
using namespace resilience::sqlite::test;
using namespace std::chrono_literals;

TEST_CASE("every kind of value comes back as it was given") {
    World world({.path = ":memory:"});
    const std::string text("J\xc3\xbcrgen\0x", 9);
    auto values = parameters(
        nullptr,
        INT64_MIN,
        1.5,
        text,
        true,
        Blob{std::string("\0\xff", 2)},
        std::optional<int>{},
        std::optional<std::string>{"y"},
        std::uint8_t{200},
        "literal",
        std::string_view{""}
    );
    const auto rows =
        world("SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11", values);
    REQUIRE(rows.has_value());
    REQUIRE(rows->size() == 1);
    REQUIRE(rows->columns() == 11);
    const auto row = (*rows)[0];
    CHECK(row.is_null(0));
    CHECK(row.int64(1).value() == INT64_MIN);
    CHECK(row.real(2).value() == 1.5);
    CHECK(row.text(3) == text);
    CHECK(row.boolean(4).value());
    CHECK(row.bytes(5).value() == std::string("\0\xff", 2));
    CHECK(row.is_null(6));
    CHECK(row.text(7) == "y");
    CHECK(row.int64(8).value() == 200);
    CHECK(row.real(8).value() == 200.0);
    CHECK(row.text(9) == "literal");
    CHECK(row.text(10).empty());
    CHECK_FALSE(row.is_null(10));
    for (std::size_t i = 0; i < row.text(9).size(); ++i) CHECK(row.int64(0).has_error());
    CHECK(row.int64(3).error() == Errc::corrupt_data);
    CHECK(row.boolean(8).error() == Errc::corrupt_data);
    CHECK(row.bytes(3).error() == Errc::corrupt_data);
    CHECK(row.real(3).error() == Errc::corrupt_data);
    CHECK(row.text(1).empty());
    CHECK_THROWS_AS((void)row.text(11), std::out_of_range);
    CHECK_THROWS_AS((void)(*rows)[1], std::out_of_range);
}

TEST_CASE("rows are counted, iterated over and shared by copies") {
    World world;
    world.fill(3);
    Rows copy;
    CHECK(copy.empty());
    {
        const auto rows = world("SELECT a FROM t ORDER BY a");
        copy = *rows;
    }
    std::vector<std::int64_t> all;
    for (const auto row : copy) all.push_back(row.int64(0).value());
    CHECK(all == std::vector<std::int64_t>{1, 2, 3});
    CHECK(copy.affected() == 0);
    CHECK(world("UPDATE t SET b = b || 'x' WHERE a > 1")->affected() == 2);
    CHECK(world("SELECT 1")->affected() == 0);
    CHECK(world("DELETE FROM t WHERE a > 9")->affected() == 0);
    CHECK(world("DELETE FROM t RETURNING a")->size() == 3);
    CHECK(world.count() == 0);
}

TEST_CASE("the file is in WAL mode, synced on commit, with foreign keys") {
    World world;
    REQUIRE(wait<void>(world.io, world.database->async_open()));
    CHECK((*world("PRAGMA journal_mode"))[0].text(0) == "wal");
    CHECK(number(world("PRAGMA synchronous")) == 2);
    CHECK(number(world("PRAGMA foreign_keys")) == 1);
    World normal({.synchronous = Synchronous::normal});
    CHECK(number(normal("PRAGMA synchronous")) == 1);
}

TEST_CASE("a failure carries its kind and SQLite's words") {
    World world;
    world.fill(1);
    const auto failure = [&](const char* sql, std::vector<Parameter> values = {}) {
        const auto rows = world(sql, std::move(values));
        REQUIRE_FALSE(rows.has_value());
        CHECK_FALSE(is_in_doubt(rows.error().code));
        return rows.error();
    };
    CHECK(failure("INSERT INTO t VALUES (1, 'x')") == Errc::already_exists);
    CHECK(
        failure("INSERT INTO t VALUES (2, '1')").detail == "UNIQUE constraint failed: t.b"
    );
    CHECK(failure("SELEC 1") == Errc::invalid_request);
    CHECK(failure("SELECT * FROM missing").detail == "no such table: missing");
    CHECK(failure("SELECT 1; SELECT 2").detail == "the text is not one command");
    CHECK(failure("").detail == "the text is not one command");
    CHECK(failure("-- nothing").detail == "the text is not one command");
    CHECK(failure("SELECT ?1").detail == "the command has 1 parameters, not 0");
    CHECK(
        failure("SELECT 1", parameters(1)).detail == "the command has 0 parameters, not 1"
    );
    CHECK(failure("BEGIN").detail == "a command began a transaction");
    CHECK(world("SELECT 1; -- with a remark").has_value());
    CHECK(world.count() == 1);
}

TEST_CASE("a script is one transaction") {
    World world;
    CHECK(world.run_script("CREATE TABLE t (a); INSERT INTO t VALUES (1); -- end\n")
              .has_value());
    CHECK(
        world.run_script("INSERT INTO t VALUES (2); INSERT INTO missing VALUES (3)")
            .error() == Errc::bad_destination
    );
    CHECK(world.count() == 1);
    CHECK(
        world.run_script(std::string("SELECT 1;\0 garbage", 18)).error() ==
        Errc::invalid_request
    );
    CHECK(world.run_script("").has_value());
}

TEST_CASE("the cache of statements is bounded, and each statement in it starts afresh") {
    World world({.statement_cache = 2});
    world.fill(3);
    for (int turn = 0; turn < 3; ++turn) {
        for (int i = 0; i < 5; ++i) {
            CHECK(
                number(world("SELECT ?1 + " + std::to_string(i), parameters(turn))) ==
                turn + i
            );
        }
        // The same text twice in a row, after a failure and after a change of the schema.
        CHECK(world("INSERT INTO t VALUES (?1, ?2)", parameters(1, "x")).has_error());
        const auto a = 10 + turn;
        CHECK(world("INSERT INTO t VALUES (?1, ?2)", parameters(a, nullptr)).has_value());
        CHECK(
            world.run_script("CREATE TABLE u" + std::to_string(turn) + " (a)").has_value()
        );
    }
    CHECK(world.count() == 6);
}

TEST_CASE("a result that is larger than allowed is refused and its command undone") {
    World world({.max_result_bytes = 4096});
    world.fill(200);
    CHECK(world("SELECT * FROM t").error() == Errc::too_large);
    CHECK(world("DELETE FROM t Returning *").error() == Errc::too_large);
    CHECK(world.count() == 200);
    CHECK(world("DELETE FROM t WHERE a = 1 RETURNING *").has_value());
    CHECK(world.count() == 199);
}

TEST_CASE("an operation ends at its deadline and the database goes on") {
    World world({.operation_timeout = 1ms});
    CHECK(world(endless).error() == Errc::timed_out);
    World other({.operation_timeout = 10s});
    CHECK(number(other("SELECT 1")) == 1);
}

TEST_CASE("an operation that waits for its turn expires, too") {
    World world({.operation_timeout = 30ms});
    std::optional<Transaction> holder;
    while (!holder) {
        auto begun =
            wait<Transaction>(world.io, Transaction::async_begin(*world.database));
        if (begun) holder.emplace(std::move(*begun));
    }
    const auto rows = world("SELECT 1");
    CHECK(rows.error() == Errc::timed_out);
    CHECK(rows.error().detail == "the operation waited for its turn");
    CHECK(world.database->stats().expired >= 1);
    holder.reset();
    while (!world("SELECT 1")) {
    }
}

TEST_CASE("cancelling ends the operation in hand and those that wait") {
    World world;
    world.fill();
    net::cancellation_signal running;
    net::cancellation_signal waiting;
    Pending<Rows> first;
    Pending<Rows> second;
    world.database->async_execute(
        endless, {}, net::bind_cancellation_slot(running.slot(), first)
    );
    world.database->async_execute(
        "INSERT INTO t VALUES (1, 'x')",
        {},
        net::bind_cancellation_slot(waiting.slot(), second)
    );
    waiting.emit(net::cancellation_type::terminal);
    world.io.restart();
    while (!second.done()) world.io.run_one();
    CHECK_FALSE(first.done());
    running.emit(net::cancellation_type::total);
    world.io.run();
    CHECK(first.error() == Errc::cancelled);
    CHECK(second.error() == Errc::cancelled);
    CHECK(world.count() == 0);
    // A signal that comes after the end means nothing.
    running.emit(net::cancellation_type::terminal);
    CHECK(world.count() == 0);
}

TEST_CASE("the queue is bounded") {
    World world({.queue_limit = 2});
    (void)wait<void>(world.io, world.database->async_open());
    net::cancellation_signal signal;
    Pending<Rows> running;
    world.database->async_execute(
        endless, {}, net::bind_cancellation_slot(signal.slot(), running)
    );
    // The thread takes the first from the queue in its own time.
    while (world.database->stats().performed < 2) std::this_thread::yield();
    const auto second = start(*world.database, "SELECT 1");
    const auto third = start(*world.database, "SELECT 1");
    const auto fourth = start(*world.database, "SELECT 1");
    CHECK_FALSE(fourth.done());
    CHECK(world.database->stats().queued == 2);
    signal.emit(net::cancellation_type::terminal);
    world.io.restart();
    world.io.run();
    CHECK(fourth.error() == Errc::queue_full);
    CHECK(second.result->value().has_value());
    CHECK(third.result->value().has_value());
    CHECK(world.database->stats().refused == 1);
}

TEST_CASE("destroying the database completes everything with closed") {
    World world;
    world.fill();
    std::vector<Pending<Rows>> all{start(*world.database, endless)};
    for (int i = 0; i < 20; ++i)
        all.push_back(start(*world.database, "INSERT INTO t DEFAULT VALUES"));
    world.database.reset();
    world.io.restart();
    world.io.run();
    for (const auto& one : all) CHECK(one.error() == Errc::closed);
}

TEST_CASE("results arrive on the executor of the caller") {
    World world;
    net::thread_pool pool(1);
    std::thread::id pool_thread;
    net::post(pool, [&] { pool_thread = std::this_thread::get_id(); });
    std::thread::id completed_on;
    world.database
        ->async_execute("SELECT 1", {}, net::bind_executor(pool, [&](Result<Rows>) {
                            completed_on = std::this_thread::get_id();
                        }));
    pool.join();
    CHECK(completed_on == pool_thread);
}

TEST_CASE("many threads may use one database") {
    Folder folder;
    {
        World world({.path = folder.file()});
        REQUIRE(world.run_script("CREATE TABLE t (a)"));
    }
    net::thread_pool pool(4);
    std::atomic<int> good{0};
    {
        Database database(pool.get_executor(), {.path = folder.file()});
        for (int i = 0; i < 4; ++i) {
            net::co_spawn(
                pool,
                [&]() -> net::awaitable<void> {
                    for (int k = 0; k < 50; ++k) {
                        auto done = co_await database.async_execute(
                            "INSERT INTO t VALUES (?1)", parameters(k)
                        );
                        if (done) ++good;
                    }
                },
                [](std::exception_ptr) {}
            );
        }
        pool.join();
    }
    CHECK(good == 200);
}

TEST_CASE("a bad option of the database is named") {
    net::io_context io;
    const auto make = [&](DatabaseOptions options) {
        Database{io.get_executor(), std::move(options)};
    };
    const std::filesystem::path p = ":memory:";
    CHECK_THROWS_WITH(make({}), "path: is empty");
    CHECK_THROWS_WITH(
        make({.path = p, .busy_timeout = -1ms}), "busy_timeout: must not be negative"
    );
    CHECK_THROWS_WITH(
        make({.path = p, .operation_timeout = 0ms}), "operation_timeout: must be positive"
    );
    CHECK_THROWS_WITH(
        make({.path = p, .transaction_timeout = 0ms}),
        "transaction_timeout: must be positive"
    );
    CHECK_THROWS_WITH(
        make({.path = p, .queue_limit = 0}), "queue_limit: must be at least 1"
    );
    CHECK_THROWS_WITH(
        make({.path = p, .statement_cache = 0}), "statement_cache: must be at least 1"
    );
    CHECK_THROWS_WITH(
        make({.path = p, .max_result_bytes = 0}), "max_result_bytes: must be positive"
    );
}
