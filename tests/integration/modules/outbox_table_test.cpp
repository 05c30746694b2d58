// SPDX-License-Identifier: MIT
// What the program outbox does with a table and with lanes that others use, too.
#include "environment.hpp"
#include "integration/kafka/lane_world.hpp"
#include "integration/tcp_proxy.hpp"

#include <modules/backing/execute.hpp>
#include <modules/migrations/schema.hpp>
#include <modules/outbox_admin/audit/audit.hpp>
#include <modules/outbox_admin/lanes/lane_hold.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>
#include <modules/outbox_admin/outbox/topics.hpp>

#include <resilience/postgres/connection.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::modules;
using namespace resilience::modules::outbox_admin;

namespace {

Request request_of(const std::string& brokers, const std::string& outbox) {
    Request request;
    request.relay.outbox = outbox;
    request.kafka = {.use_kafka = true, .brokers = brokers};
    auto& database = request.database;
    database.use_postgres = true;
    database.host = fixture::required("DB_HOST");
    database.port = std::stoi(fixture::required("DB_PORT"));
    database.user = fixture::required("DB_USER");
    database.password = fixture::required("DB_PASSWORD");
    database.name = fixture::required("DB_NAME");
    return request;
}

net::awaitable<Result<void>> execute_on(postgres::Connection& on, std::string sql) {
    const auto rows = co_await backing::execute(on, std::move(sql));
    if (!rows) co_return rows.error();
    co_return Result<void>{};
}

net::awaitable<Result<void>> open(postgres::Connection& connection) {
    const auto opened = co_await connection.async_connect(net::use_awaitable);
    if (!opened) co_return opened.error();
    co_return Result<void>{};
}

// An outbox table in a schema of its own.
struct Table {
    explicit Table(const std::string& brokers, const std::string& outbox)
        : request(request_of(brokers, outbox)) {
        tools.database.extra.emplace_back("options", "-csearch_path=" + schema);
        execute("CREATE SCHEMA " + schema);
        postgres::Pool pool{
            io.get_executor(), {.connection = tools.database, .max_size = 2}};
        const auto applied = fixture::run(io, migrations::schema_of(pool)->up());
        if (!applied) FAIL("migrations: ", applied.error().message());
        pool.close();
    }
    ~Table() { execute("DROP SCHEMA " + schema + " CASCADE"); }

    void execute(std::string sql) {
        const auto done = fixture::run(io, statement(std::move(sql)));
        if (!done) FAIL("statement: ", done.error().message());
    }

    net::awaitable<Result<void>> statement(std::string sql) {
        auto connection = co_await connect(tools);
        if (!connection) co_return connection.error();
        auto done = co_await execute_on(*connection, std::move(sql));
        co_return done;
    }

    net::io_context io;
    Request request;
    Tools tools{io.get_executor(), request};
    std::string schema = fixture::unique_name();
};

const std::string insert_foreign =
    "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
    "event_data, topic, partition_key, xid) SELECT gen_random_uuid(), ''t'', ''k'', "
    "''e'', ''{}'', ''t'', ''k'', ''9000000000000''::xid8 ";

std::string unquoted(std::string text) {
    for (auto at = text.find("''"); at != std::string::npos; at = text.find("''", at + 1))
        text.erase(at, 1);
    return text;
}

}  // namespace

TEST_CASE("what goes through the table ends where the table ended, while others write") {
    Table table{"nobody:1", "outbox"};
    table.execute(unquoted(insert_foreign) + "FROM generate_series(1, 3)");
    // Somebody adds a row for each slice, for a while.
    table.execute(
        "CREATE FUNCTION add_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF (SELECT "
        "count(*) FROM outbox_events) < 30 THEN " +
        insert_foreign + "; END IF; RETURN NULL; END'"
    );
    table.execute(
        "CREATE TRIGGER add_row AFTER UPDATE ON outbox_events FOR EACH ROW EXECUTE "
        "FUNCTION add_row()"
    );
    table.request.rows_at_once = 1;
    OutboxTable outbox{table.tools};
    REQUIRE(fixture::run(table.io, outbox.open()).has_value());
    const auto changed = fixture::run(table.io, outbox.take_own_numbers());
    REQUIRE_MESSAGE(changed.has_value(), changed.error().message());
    CHECK(*changed == 3);
    // In slices, or at once.
    const auto rest = fixture::run(table.io, outbox.count_foreign_numbers());
    REQUIRE(rest.has_value());
    CHECK(*rest == 3);
}

TEST_CASE("where a table does not tell its topics, it is said how else to name them") {
    Table table{"nobody:1", "outbox"};
    table.execute(unquoted(insert_foreign) + "FROM generate_series(1, 3)");
    table.execute("ALTER TABLE outbox_events RENAME COLUMN topic TO other");
    const auto topics = fixture::run(table.io, topics_of(table.tools));
    REQUIRE(topics.has_error());
    const auto words = topics.error().message();
    CHECK_MESSAGE(words.ends_with("; or name the topics with --topics"), words);
}

TEST_CASE("a row that is committed while a rebase begins is compared, whatever its seq") {
    const auto cluster = test::Cluster::of_environment();
    Table table{cluster.brokers(), test::unique_name("outbox")};
    table.request.topics = cluster.make_topic("events", 1);
    table.request.since = std::chrono::hours{1};
    const auto insert =
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic, partition_key) SELECT gen_random_uuid(), 't', 'k', 'e', "
        "'{}', '" +
        table.request.topics + "', 'k'";
    net::io_context other;
    postgres::Connection writer{other.get_executor(), table.tools.database};
    const auto write = [&](std::string sql) {
        const auto done = fixture::run(other, execute_on(writer, std::move(sql)));
        CHECK(done.has_value());
    };
    REQUIRE(fixture::run(other, open(writer)).has_value());
    write("BEGIN");
    write(insert);
    table.execute(insert);
    // The first row becomes visible when the window is taken, and not before.
    contract::TcpProxy server{table.tools.database.host, table.tools.database.port};
    server.before("pg_current_snapshot()::text", [&] { write("COMMIT"); });
    auto tools = table.tools;
    tools.database.host = "127.0.0.1";
    tools.database.port = server.port();
    tools.database.ssl_mode = postgres::SslMode::disable;
    const auto report = fixture::run(table.io, rebase(tools));
    REQUIRE_MESSAGE(report.has_value(), report.error().message());
    CHECK(report->json.at("missing") == 2);
}

TEST_CASE("I7: a lane that somebody had meanwhile is not gone on with after a refusal") {
    test::LaneWorld world;
    Table table{world.cluster().brokers(), world.options().outbox};
    const auto topic = world.cluster().make_topic("events", 1);
    LaneHold hold{table.tools};
    const auto taken = test::run(table.io, hold.take({0}));
    REQUIRE_MESSAGE(taken.has_value(), taken.error().message());
    auto next = test::position_after({}, 0);
    const std::vector<WindowEvent> none;
    const std::vector<WindowEvent> large{
        test::row_of(topic, '"' + std::string(3'000'000, 'x') + '"')};
    REQUIRE(test::run(table.io, hold.commit(0, none, next)).has_value());
    // Nobody else had it.
    const auto refused = test::run(table.io, hold.commit(0, large, next));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::too_large);
    CHECK(test::run(table.io, hold.commit(0, none, next)).has_value());

    const auto other = world.owner(0);
    const auto found = world.take_over(*other);
    REQUIRE(found.has_value());
    REQUIRE(found->has_value());
    REQUIRE(world.commit(*other, none, test::position_after(**found, 0)).has_value());
    const auto fenced = test::run(table.io, hold.commit(0, large, next));
    REQUIRE(fenced.has_error());
    CHECK_MESSAGE(fenced.error() == Errc::fenced, fenced.error().message());
}
