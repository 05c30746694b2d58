// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <resilience/postgres/transaction.hpp>

using namespace postgres_tests;

namespace {

const std::string count_sql = "SELECT count(*) FROM t";
const std::string insert_sql = "INSERT INTO t VALUES ($1)";

}  // namespace

TEST_CASE("transaction: what is committed stays, what is rolled back does not") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        auto other = co_await connected(schema.options());
        for (const bool later : {false, true}) {
            pg::TransactionOptions options;
            options.begin_with_first_statement = later;
            auto kept = co_await pg::Transaction::async_begin(connection, options);
            REQUIRE(kept.has_value());
            REQUIRE(ok(
                co_await kept->async_execute(insert_sql, pg::parameters(later ? 2 : 1))
            ));
            CHECK(co_await value(other, count_sql) == (later ? "1" : "0"));
            REQUIRE(ok(co_await kept->async_commit()));
            CHECK(co_await value(other, count_sql) == (later ? "2" : "1"));

            auto undone = co_await pg::Transaction::async_begin(connection, options);
            REQUIRE(undone.has_value());
            std::vector<pg::Statement> two;
            two.push_back({"INSERT INTO t VALUES (10)", {}});
            two.push_back({count_sql, {}});
            const auto rows = co_await undone->async_pipeline(two);
            REQUIRE(ok(rows));
            REQUIRE(rows->size() == 2);
            REQUIRE(ok(co_await undone->async_rollback()));
            CHECK(co_await value(other, count_sql) == (later ? "2" : "1"));
            CHECK((co_await undone->async_rollback()).error() == Errc::invalid_request);
            CHECK((co_await undone->async_commit()).error() == Errc::invalid_request);
            const auto after = co_await undone->async_execute("SELECT 1");
            CHECK(after.error() == Errc::invalid_request);
        }
    });
}

TEST_CASE("transaction: isolation and access are those asked for") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        auto transaction = co_await pg::Transaction::async_begin(
            connection,
            pg::TransactionOptions{
                .isolation = pg::Isolation::serializable, .read_only = true}
        );
        REQUIRE(transaction.has_value());
        const auto isolation =
            co_await transaction->async_execute("SHOW transaction_isolation");
        CHECK(isolation.value()[0].text(0) == "serializable");
        const auto written = co_await transaction->async_execute("CREATE TABLE nope ()");
        CHECK(written.error() == Errc::storage_full);
        CHECK(ok(co_await transaction->async_rollback()));
    });
}

TEST_CASE("transaction: one that is destroyed unfinished is never committed") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        {
            auto transaction = co_await pg::Transaction::async_begin(connection);
            REQUIRE(ok(co_await transaction->async_execute(insert_sql, pg::parameters(1)))
            );
        }
        // Whatever is done next, it is not done inside what was left behind.
        CHECK(co_await value(connection, count_sql) == "0");
        CHECK(
            co_await value(
                connection, "SELECT pg_current_xact_id_if_assigned() IS NULL"
            ) == "t"
        );
        {
            auto transaction = co_await pg::Transaction::async_begin(connection);
            REQUIRE(ok(co_await transaction->async_execute(insert_sql, pg::parameters(2)))
            );
            (void)co_await transaction->async_execute("SELECT 1/0");
        }
        auto next = co_await pg::Transaction::async_begin(connection);
        REQUIRE(next.has_value());
        REQUIRE(ok(co_await next->async_execute(insert_sql, pg::parameters(3))));
        REQUIRE(ok(co_await next->async_commit()));
        CHECK(
            co_await value(connection, "SELECT string_agg(id::text, ',') FROM t") == "3"
        );
    });
}

TEST_CASE("transaction: it is refused inside another, which is left as it was") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        auto outer = co_await pg::Transaction::async_begin(connection);
        REQUIRE(ok(co_await outer->async_execute(insert_sql, pg::parameters(1))));
        {
            const auto inner = co_await pg::Transaction::async_begin(connection);
            CHECK(inner.error() == Errc::invalid_request);
            auto lazy = co_await pg::Transaction::async_begin(
                connection, pg::TransactionOptions{.begin_with_first_statement = true}
            );
            REQUIRE(lazy.has_value());
            CHECK(
                (co_await lazy->async_execute("SELECT 1")).error() ==
                Errc::invalid_request
            );
        }
        REQUIRE(ok(co_await outer->async_commit()));
        CHECK(co_await value(connection, count_sql) == "1");
    });
}

TEST_CASE(
    "transaction: committing after a failed statement reports that it is rolled back"
) {
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        auto transaction = co_await pg::Transaction::async_begin(connection);
        REQUIRE(ok(co_await transaction->async_execute(insert_sql, pg::parameters(1))));
        CHECK(
            (co_await transaction->async_execute(insert_sql, pg::parameters(1)))
                .error() == Errc::already_exists
        );
        CHECK(
            (co_await transaction->async_execute("SELECT 1")).error() ==
            Errc::invalid_request
        );
        const auto committed = co_await transaction->async_commit();
        CHECK(committed.error() == Errc::invalid_request);
        CHECK(committed.error().detail.find("t_pkey") != std::string::npos);
        CHECK(co_await value(connection, count_sql) == "0");
    });
}

TEST_CASE("transaction: a serialization failure at the commit may be tried again") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto one = co_await connected(schema.options());
        auto two = co_await connected(schema.options());
        const pg::TransactionOptions options{.isolation = pg::Isolation::serializable};
        auto first = co_await pg::Transaction::async_begin(one, options);
        auto second = co_await pg::Transaction::async_begin(two, options);
        const std::string skew = "INSERT INTO t SELECT sum(id) + 1 FROM t";
        REQUIRE(ok(co_await first->async_execute(skew)));
        REQUIRE(ok(co_await second->async_execute(skew)));
        REQUIRE(ok(co_await first->async_commit()));
        const auto lost = co_await second->async_commit();
        CHECK(lost.error() == Errc::serialization_conflict);
        CHECK(resilience::is_retryable(lost.error().code));
    });
}

TEST_CASE("transaction: a deferred constraint is reported by the commit") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        auto transaction = co_await pg::Transaction::async_begin(connection);
        REQUIRE(ok(co_await transaction->async_execute("INSERT INTO t VALUES (1), (1)")));
        CHECK((co_await transaction->async_commit()).error() == Errc::already_exists);
        CHECK(co_await value(connection, count_sql) == "0");
    });
}

TEST_CASE("transaction: a commit whose answer is lost is in doubt, whichever way it went"
) {
    using Break = contract::TcpProxy::Break;
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto watcher = co_await connected(schema.options());
        int rows = 0;
        for (const auto how : {Break::before_answer, Break::before_request}) {
            auto connection = co_await connected(through(proxy, schema.options()));
            auto transaction = co_await pg::Transaction::async_begin(connection);
            REQUIRE(
                ok(co_await transaction->async_execute(insert_sql, pg::parameters(rows)))
            );
            proxy.break_on("COMMIT", how);
            const auto committed = co_await transaction->async_commit();
            CHECK(committed.error() == Errc::connection_lost);
            CHECK(resilience::is_in_doubt(committed.error().code));
            CHECK_FALSE(connection.is_open());
            if (how == Break::before_answer) ++rows;
            CHECK(co_await value(watcher, count_sql) == std::to_string(rows));
        }
    });
}

TEST_CASE("transaction: nothing of a broken connection's transaction is committed") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto watcher = co_await connected(schema.options());
        auto connection = co_await connected(through(proxy, schema.options()));
        auto transaction = co_await pg::Transaction::async_begin(connection);
        REQUIRE(ok(co_await transaction->async_execute(insert_sql, pg::parameters(1))));
        proxy.cut();
        CHECK(
            (co_await transaction->async_execute("SELECT 1")).error() ==
            Errc::connection_lost
        );
        CHECK((co_await transaction->async_commit()).error() == Errc::unavailable);
        CHECK(co_await value(watcher, count_sql) == "0");
    });
}
