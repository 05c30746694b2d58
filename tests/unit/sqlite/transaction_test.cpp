// SPDX-License-Identifier: MIT
#include "unit/sqlite/sqlite_fixture.hpp"

#include <resilience/outbox.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <thread>

using namespace resilience;
using namespace resilience::sqlite;
using namespace resilience::sqlite::test;
using namespace std::chrono_literals;

namespace {

struct World {
    Folder folder;
    net::io_context io;
    std::optional<Database> database;

    explicit World(DatabaseOptions options = {}) {
        options.path = folder.file();
        database.emplace(io.get_executor(), std::move(options));
        REQUIRE(script(io, *database, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"));
    }
    std::int64_t count() {
        return number(execute(io, *database, "SELECT count(*) FROM t"));
    }
    Result<Rows> insert(auto& on, int a) {
        return execute(io, on, "INSERT INTO t VALUES (?1, NULL)", parameters(a));
    }
    Result<void> commit(Transaction& t) { return wait<void>(io, t.async_commit()); }
    Result<void> rollback(Transaction& t) { return wait<void>(io, t.async_rollback()); }
};

Event user_created() {
    return {
        .aggregate_type = "user",
        .aggregate_id = "42",
        .event_type = "user.created",
        .event_data = R"({"email":"a@b.c"})"};
}

}  // namespace

TEST_CASE("what is committed stays, what is rolled back or abandoned does not") {
    World world;
    {
        auto t = begin(world.io, *world.database);
        REQUIRE(world.insert(t, 1));
        REQUIRE(world.commit(t));
    }
    {
        auto t = begin(world.io, *world.database);
        REQUIRE(world.insert(t, 2));
        REQUIRE(world.rollback(t));
    }
    {
        auto t = begin(world.io, *world.database);
        REQUIRE(world.insert(t, 3));
    }
    CHECK(world.count() == 1);
}

TEST_CASE("others of the database wait until the transaction has ended") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(world.insert(t, 1));
    std::optional<Result<Rows>> other;
    std::optional<Result<Transaction>> next;
    world.database->async_execute("SELECT count(*) FROM t", {}, [&](Result<Rows> r) {
        other.emplace(std::move(r));
    });
    Transaction::async_begin(*world.database, [&](Result<Transaction> r) {
        next.emplace(std::move(r));
    });
    for (int i = 2; i < 20; ++i) REQUIRE(world.insert(t, i));
    CHECK_FALSE(other.has_value());
    CHECK_FALSE(next.has_value());
    REQUIRE(world.commit(t));
    while (!next) world.io.run_one();
    CHECK(number(*other) == 19);
    REQUIRE(next->has_value());
    CHECK(world.insert(**next, 50).has_value());
}

TEST_CASE("after its end a transaction does nothing more") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(world.commit(t));
    CHECK(world.insert(t, 1).error() == Errc::closed);
    CHECK(world.commit(t).error() == Errc::closed);
    CHECK(world.rollback(t).error() == Errc::closed);
    CHECK(world.count() == 0);
}

TEST_CASE("a constraint that is broken leaves the transaction open") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(world.insert(t, 1));
    CHECK(world.insert(t, 1).error() == Errc::already_exists);
    CHECK(execute(world.io, t, "SELEC").error() == Errc::invalid_request);
    REQUIRE(world.insert(t, 2));
    REQUIRE(world.commit(t));
    CHECK(world.count() == 2);
}

TEST_CASE("a full disk rolls the transaction back, also for its later commands") {
    World world;
    REQUIRE(execute(world.io, *world.database, "PRAGMA max_page_count = 20"));
    auto t = begin(world.io, *world.database);
    REQUIRE(world.insert(t, 1));
    auto large = parameters(std::string(200'000, 'x'));
    CHECK(
        execute(world.io, t, "INSERT INTO t VALUES (2, ?1)", large).error() ==
        Errc::storage_full
    );
    CHECK(world.insert(t, 3).error() == Errc::closed);
    CHECK(world.commit(t).error() == Errc::closed);
    CHECK(world.count() == 0);
}

TEST_CASE("a result that is too large rolls the transaction back with what it changed") {
    World world({.max_result_bytes = 2048});
    for (int i = 0; i < 100; ++i) REQUIRE(world.insert(*world.database, i));
    auto t = begin(world.io, *world.database);
    CHECK(execute(world.io, t, "DELETE FROM t RETURNING a").error() == Errc::too_large);
    CHECK(world.commit(t).error() == Errc::closed);
    CHECK(world.count() == 100);
}

TEST_CASE("a cancelled command rolls the transaction back") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(world.insert(t, 1));
    net::cancellation_signal signal;
    std::optional<Result<Rows>> result;
    t.async_execute(
        endless,
        {},
        net::bind_cancellation_slot(
            signal.slot(), [&](Result<Rows> r) { result.emplace(std::move(r)); }
        )
    );
    signal.emit(net::cancellation_type::terminal);
    world.io.restart();
    while (!result) world.io.run_one();
    CHECK(result->error() == Errc::cancelled);
    // Taken out of the queue it was never tried, and the transaction may go on.
    const auto commit = world.commit(t);
    CHECK(world.count() == (commit ? 1 : 0));
}

TEST_CASE("a script of a transaction is undone as a whole with it") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(script(
        world.io, t, "INSERT INTO t VALUES (1, 'x'); INSERT INTO t VALUES (2, 'y')"
    ));
    CHECK(
        script(world.io, t, "INSERT INTO t VALUES (3, 'x'); nonsense").error() ==
        Errc::invalid_request
    );
    CHECK(world.commit(t).error() == Errc::closed);
    CHECK(world.count() == 0);
}

TEST_CASE("a transaction does not let a command end it unseen") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(world.insert(t, 1));
    CHECK(execute(world.io, t, "COMMIT").has_value());
    CHECK(world.insert(t, 2).error() == Errc::closed);
    CHECK(world.count() == 1);
}

TEST_CASE("a transaction that is open for too long is rolled back and the others go on") {
    World world({.transaction_timeout = 5ms});
    auto t = begin(world.io, *world.database);
    (void)world.insert(t, 1);
    // Waits in the queue until the transaction has been ended.
    CHECK(world.count() == 0);
    CHECK(world.commit(t).error() == Errc::timed_out);
    CHECK(world.insert(t, 2).error() == Errc::timed_out);
    CHECK(world.database->stats().overdue_transactions == 1);
}

TEST_CASE("a statement does not outlive its transaction's deadline") {
    World world({.operation_timeout = std::chrono::hours{1}, .transaction_timeout = 5ms});
    auto t = begin(world.io, *world.database);
    CHECK(execute(world.io, t, endless).error() == Errc::timed_out);
    CHECK(world.commit(t).error() == Errc::timed_out);
}

TEST_CASE("a transaction outlives its database harmlessly") {
    World world;
    auto t = begin(world.io, *world.database);
    REQUIRE(world.insert(t, 1));
    std::optional<Result<Rows>> queued;
    t.async_execute(endless, {}, [&](Result<Rows> r) { queued.emplace(std::move(r)); });
    world.database.reset();
    world.io.restart();
    world.io.run();
    CHECK(queued->error() == Errc::closed);
    CHECK(world.insert(t, 2).error() == Errc::closed);
    world.database.emplace(
        world.io.get_executor(), DatabaseOptions{.path = world.folder.file()}
    );
    CHECK(world.count() == 0);
}

TEST_CASE("a transaction that nobody took is rolled back") {
    Folder folder;
    {
        net::io_context io;
        Database database(io.get_executor(), {.path = folder.file()});
        REQUIRE(script(io, database, "CREATE TABLE t (a)"));
        Transaction::async_begin(database, [](Result<Transaction>) {});
        while (database.stats().performed < 2) std::this_thread::yield();
        io.restart();
        io.run();
        CHECK(number(execute(io, database, "SELECT count(*) FROM t")) == 0);
    }
}

TEST_CASE("with_transaction commits what succeeded and rolls back what failed") {
    World world;
    const auto insert = [&](int a, bool good) {
        return run(
            world.io,
            with_transaction(
                *world.database,
                [=](Transaction& t) -> net::awaitable<Result<int>> {
                    auto done = co_await t.async_execute(
                        "INSERT INTO t VALUES (?1, NULL)", parameters(a)
                    );
                    if (!done) co_return done.error();
                    if (!good) co_return fail(Errc::invalid_request);
                    co_return a;
                }
            )
        );
    };
    CHECK(insert(1, true).value() == 1);
    CHECK(insert(2, false).error() == Errc::invalid_request);
    CHECK(insert(1, true).error() == Errc::already_exists);
    CHECK(world.count() == 1);
}

TEST_CASE("O5: an event is written with the change it speaks of, or not at all") {
    World world;
    REQUIRE(script(world.io, *world.database, outbox_schema()));
    const Outbox outbox;
    const auto events = [&] {
        return number(
            execute(world.io, *world.database, "SELECT count(*) FROM outbox_events")
        );
    };
    for (const bool commit : {true, false}) {
        auto t = begin(world.io, *world.database);
        REQUIRE(world.insert(t, commit ? 1 : 2));
        const auto id = run(world.io, outbox.append(t, user_created()));
        REQUIRE(id.has_value());
        const auto ended = commit ? world.commit(t) : world.rollback(t);
        REQUIRE(ended);
        CHECK(world.count() == 1);
        CHECK(events() == 1);
    }
    auto t = begin(world.io, *world.database);
    auto bad = user_created();
    bad.event_data = "{";
    CHECK(run(world.io, outbox.append(t, bad)).error() == Errc::invalid_request);
    auto twice = user_created();
    twice.id = "0190163d-8694-739b-aea5-966c26f8ad91";
    CHECK(run(world.io, outbox.append(t, twice)).value().to_string() == twice.id);
    CHECK(run(world.io, outbox.append(t, twice)).error() == Errc::already_exists);
    REQUIRE(world.commit(t));
    CHECK(events() == 2);
}
