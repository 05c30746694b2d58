// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <resilience/postgres/inbox.hpp>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <doctest/doctest.h>

using namespace postgres_tests;
using resilience::Inbox;

namespace {

class InboxSchema : public Schema {
public:
    InboxSchema() { script(migration("0005_inbox_events.up.sql")); }
};

net::awaitable<pg::Transaction> begun(
    pg::Connection& connection, pg::TransactionOptions options = {}
) {
    auto transaction = co_await pg::Transaction::async_begin(connection, options);
    if (!transaction) FAIL(transaction.error().message());
    co_return std::move(*transaction);
}

net::awaitable<bool> take(
    pg::Connection& connection, const Inbox& inbox, std::string id, bool commit = true
) {
    auto transaction = co_await begun(connection);
    const auto taken = co_await inbox.take(transaction, std::move(id));
    if (!taken) FAIL(taken.error().message());
    if (commit) {
        const auto done = co_await transaction.async_commit();
        CHECK(ok(done));
    } else {
        const auto done = co_await transaction.async_rollback();
        CHECK(ok(done));
    }
    co_return *taken;
}

net::awaitable<std::int64_t> prune(
    pg::Connection& connection,
    const Inbox& inbox,
    std::chrono::milliseconds older_than,
    std::int64_t limit
) {
    auto transaction = co_await begun(connection);
    const auto gone = co_await inbox.prune(transaction, older_than, limit);
    if (!gone) FAIL(gone.error().message());
    const auto done = co_await transaction.async_commit();
    CHECK(ok(done));
    co_return *gone;
}

}  // namespace

TEST_CASE("An inbox takes an event once for each consumer, and none that was rolled back"
) {
    const InboxSchema schema;
    const Inbox mail{{.consumer = "mail"}};
    const Inbox stock{{.consumer = "stock"}};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const bool undone = co_await take(connection, mail, "a", false);
        const bool first = co_await take(connection, mail, "a");
        const bool again = co_await take(connection, mail, "a");
        const bool another = co_await take(connection, mail, "b");
        const bool of_stock = co_await take(connection, stock, "a");
        CHECK(undone);
        CHECK(first);
        CHECK_FALSE(again);
        CHECK(another);
        CHECK(of_stock);
    });
}

TEST_CASE("An inbox lets one of two transactions at once take an event") {
    using namespace net::experimental::awaitable_operators;
    const InboxSchema schema;
    const Inbox inbox{{.consumer = "mail"}};
    for (const bool first_commits : {true, false}) {
        const std::string id = first_commits ? "a" : "b";
        run([&](net::io_context&) -> net::awaitable<void> {
            auto one = co_await connected(schema.options());
            auto two = co_await connected(schema.options());
            auto three = co_await connected(schema.options());
            auto first = co_await begun(one);
            auto second = co_await begun(two);
            const auto pid = co_await second.async_execute("SELECT pg_backend_pid()");
            const std::string waiter{(*pid)[0].text(0)};
            const auto taken = co_await inbox.take(first, id);
            CHECK((taken.has_value() && *taken));
            const auto end_first = [&]() -> net::awaitable<void> {
                // Not before the second one waits for the first.
                std::string blocked;
                while (blocked != "1") {
                    blocked = co_await value(
                        three, "SELECT cardinality(pg_blocking_pids(" + waiter + "))"
                    );
                }
                if (first_commits) {
                    const auto done = co_await first.async_commit();
                    CHECK(ok(done));
                } else {
                    const auto done = co_await first.async_rollback();
                    CHECK(ok(done));
                }
            };
            auto both = inbox.take(second, id) && end_first();
            const auto late = co_await std::move(both);
            REQUIRE(ok(late));
            CHECK(*late != first_commits);
            const auto done = co_await second.async_commit();
            CHECK(ok(done));
        });
    }
}

TEST_CASE("An inbox refuses what is no identity before the transaction is harmed") {
    const InboxSchema schema;
    const Inbox inbox{{.consumer = "mail"}};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        auto transaction = co_await begun(connection);
        const auto refused = co_await inbox.take(transaction, "\xff");
        CHECK((refused.has_error() && refused.error() == Errc::invalid_request));
        const auto unbounded = co_await inbox.prune(transaction, 0ms, 0);
        CHECK((unbounded.has_error() && unbounded.error() == Errc::invalid_request));
        const auto taken = co_await inbox.take(transaction, std::string(255, 'x'));
        CHECK((ok(taken) && *taken));
    });
}

TEST_CASE("An inbox removes the oldest rows of its consumer, so many at once") {
    const InboxSchema schema;
    const Inbox inbox{{.consumer = "mail"}};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const auto filled = co_await connection.async_run_script(
            "INSERT INTO inbox_events SELECT 'mail', i, now() - i * interval '1 s'"
            " FROM generate_series(1, 100) i;"
            "INSERT INTO inbox_events SELECT 'stock', i, now() - interval '1 day'"
            " FROM generate_series(1, 10) i"
        );
        REQUIRE(ok(filled));
        const auto none = co_await prune(connection, inbox, 1h, 1000);
        CHECK(none == 0);
        const auto some = co_await prune(connection, inbox, 0ms, 30);
        CHECK(some == 30);
        const auto oldest = co_await value(
            connection,
            "SELECT max(event_id::int) FROM inbox_events WHERE consumer = 'mail'"
        );
        CHECK(oldest == "70");
        const auto rest = co_await prune(connection, inbox, 50'500ms, 1000);
        CHECK(rest >= 20);
        const auto of_stock = co_await value(
            connection, "SELECT count(*) FROM inbox_events WHERE consumer = 'stock'"
        );
        CHECK(of_stock == "10");
    });
}

TEST_CASE("An inbox says that its table is missing") {
    const Schema schema;
    const Inbox inbox{{.consumer = "mail"}};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        auto transaction = co_await begun(connection);
        const auto taken = co_await inbox.take(transaction, "a");
        CHECK((taken.has_error() && taken.error() == Errc::bad_destination));
    });
}
