// SPDX-License-Identifier: MIT
#include "environment.hpp"

#include <modules/backing/execute.hpp>
#include <modules/migrations/schema.hpp>
#include <modules/users/postgres_user_store.hpp>
#include <modules/users/retrying_user_store.hpp>

#include <resilience/postgres/pool.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <boost/json/parse.hpp>

#include <chrono>
#include <memory>

using namespace resilience;
using namespace resilience::modules;
using namespace std::chrono_literals;
using users::User;

namespace {

postgres::ConnectionOptions server() {
    return {
        .host = fixture::required("DB_HOST"),
        .port = static_cast<std::uint16_t>(std::stoi(fixture::required("DB_PORT"))),
        .user = fixture::required("DB_USER"),
        .password = fixture::required("DB_PASSWORD"),
        .database = fixture::required("DB_NAME")};
}

postgres::ConnectionOptions inside(
    postgres::ConnectionOptions options, std::string schema
) {
    options.extra.emplace_back(
        "options", "-csearch_path=" + schema + " -cdeadlock_timeout=10ms"
    );
    return options;
}

// A schema of its own with the tables of the migrations, dropped at the end.
class Fixture {
public:
    net::io_context context;
    const std::string schema = fixture::unique_name();

private:
    postgres::Pool admin_{context.get_executor(), {.connection = server()}};

public:
    postgres::Pool pool;
    users::PostgresUserStore store{pool, Outbox{}};

    explicit Fixture(std::chrono::milliseconds query_timeout = 5s)
        : pool(context.get_executor(), pool_options(query_timeout)) {
        execute(admin_, "CREATE SCHEMA " + schema);
        const auto applied = fixture::run(context, migrations::schema_of(pool)->up());
        if (!applied) FAIL("migrations: ", applied.error().message());
    }
    ~Fixture() {
        pool.close();
        fixture::run(context, statement(admin_, "DROP SCHEMA " + schema + " CASCADE"));
    }

    postgres::PoolOptions pool_options(std::chrono::milliseconds query_timeout) {
        auto connection = inside(server(), schema);
        connection.query_timeout = query_timeout;
        return {.connection = connection, .max_size = 8};
    }

    postgres::Rows execute(postgres::Pool& from, std::string sql) {
        auto rows = fixture::run(context, statement(from, std::move(sql)));
        if (!rows) FAIL("query: ", rows.error().message());
        return *rows;
    }

    std::int64_t count(std::string from) {
        return execute(admin_, "SELECT count(*) FROM " + schema + "." + from)[0]
            .int64(0)
            .value();
    }

    Result<User> create(std::string email, std::string name = "Ann") {
        auto user = users::make_user({std::move(email), std::move(name)});
        return fixture::run(context, store.create(std::move(user), "00-trace"));
    }

    Result<User> update(const std::string& id, std::string email, std::string name) {
        const auto uuid = Uuid::parse(id).value();
        users::UserFields fields{std::move(email), std::move(name)};
        return fixture::run(context, store.update(uuid, std::move(fields), "00-trace"));
    }

    Result<User> get(const std::string& id) {
        return fixture::run(context, store.get(Uuid::parse(id).value()));
    }

private:
    static net::awaitable<Result<postgres::Rows>> statement(
        postgres::Pool& from, std::string sql
    ) {
        auto connection = co_await from.async_acquire();
        if (!connection) co_return connection.error();
        co_return co_await backing::execute(**connection, std::move(sql));
    }
};

}  // namespace

TEST_CASE("M6, M12: PostgreSQL keeps the user and its event as they were written") {
    Fixture service;
    const auto created =
        service.create("z\xc3\xab@example.com", "O'Neil \"\\ \xe2\x82\xac");
    REQUIRE(created.has_value());
    const auto found = service.get(created->id);
    REQUIRE(found.has_value());
    CHECK(*found == *created);
    const auto events = service.execute(
        service.pool,
        "SELECT event_type, aggregate_type, aggregate_id, partition_key, event_data, "
        "headers->>'traceparent', status, topic, max_retries FROM outbox_events"
    );
    REQUIRE(events.size() == 1);
    const auto event = events[0];
    CHECK(event.text(0) == "user.created");
    CHECK(event.text(1) == "user");
    CHECK(event.text(2) == created->id);
    CHECK(event.text(3) == created->id);
    CHECK(
        boost::json::parse(event.text(4)) == boost::json::parse(users::to_json(*created))
    );
    CHECK(event.text(5) == "00-trace");
    CHECK(event.text(6) == "NEW");
    CHECK(event.text(7) == "user-events");
    CHECK(event.text(8) == "3");
}

TEST_CASE("M8: PostgreSQL replaces a user, keeps its times in order and adds an event") {
    Fixture service;
    const auto created = service.create("a@b.c");
    REQUIRE(created.has_value());
    const auto updated = service.update(created->id, "x@y.z", "Xan");
    REQUIRE(updated.has_value());
    CHECK(updated->email == "x@y.z");
    CHECK(updated->created_at == created->created_at);
    CHECK(updated->updated_at >= created->updated_at);
    CHECK(service.get(created->id).value() == *updated);
    CHECK(service.count("outbox_events WHERE event_type = 'user.updated'") == 1);
    // Nor when the wall clock goes back.
    service.execute(service.pool, "UPDATE users SET updated_at = '2999-01-01T00:00:00Z'");
    CHECK(
        service.update(created->id, "x@y.z", "Xan")->updated_at ==
        "2999-01-01T00:00:00.000000Z"
    );
}

TEST_CASE("M6-M8: PostgreSQL tells an unknown user and a taken address, without an event"
) {
    Fixture service;
    const std::string unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    CHECK(service.get(unknown).error() == Errc::not_found);
    CHECK(service.update(unknown, "a@b.c", "Ann").error() == Errc::not_found);
    REQUIRE(service.create("a@b.c").has_value());
    CHECK(service.create("a@b.c").error() == Errc::already_exists);
    const auto other = service.create("x@y.z");
    REQUIRE(other.has_value());
    CHECK(service.update(other->id, "a@b.c", "Ann").error() == Errc::already_exists);
    CHECK(service.count("users") == 2);
    CHECK(service.count("outbox_events") == 2);
}

TEST_CASE("M6, M12: of many who want one address at once exactly one wins, with one event"
) {
    Fixture service;
    std::vector<net::awaitable<Result<User>>> works;
    for (int i = 0; i < 40; ++i) {
        works.push_back(
            service.store.create(users::make_user({"one@example.com", "Ann"}), "")
        );
    }
    int won = 0;
    for (const auto& result : fixture::run_all(service.context, std::move(works))) {
        won += result.has_value() ? 1 : 0;
        if (!result) CHECK(result.error() == Errc::already_exists);
    }
    CHECK(won == 1);
    CHECK(service.count("users") == 1);
    CHECK(service.count("outbox_events") == 1);
}

TEST_CASE("M12: events of a user stand in the order in which its changes were committed"
) {
    Fixture service;
    const auto created = service.create("a@b.c");
    REQUIRE(created.has_value());
    const auto id = Uuid::parse(created->id).value();
    std::vector<net::awaitable<Result<User>>> works;
    for (int i = 0; i < 40; ++i) {
        works.push_back(service.store.update(id, {"a@b.c", std::to_string(i)}, ""));
    }
    for (const auto& result : fixture::run_all(service.context, std::move(works))) {
        CHECK(result.has_value());
    }
    const auto last = service.execute(
        service.pool,
        "SELECT event_data->>'name' FROM outbox_events ORDER BY seq DESC LIMIT 1"
    );
    CHECK(last[0].text(0) == service.get(created->id).value().name);
    CHECK(service.count("outbox_events") == 41);
}

TEST_CASE("M12: users that wait for each other's addresses are not a failure") {
    Fixture service;
    prometheus::Metrics metrics;
    users::RetryingUserStore store{
        std::make_unique<users::PostgresUserStore>(service.pool, Outbox{}),
        metrics.observer("users"),
        {.attempts = 20, .base = 5ms, .cap = 50ms}};
    const auto ann = service.create("ann@example.com");
    const auto bob = service.create("bob@example.com");
    REQUIRE(ann.has_value());
    REQUIRE(bob.has_value());
    std::int64_t changes = 2;
    for (int round = 0; round < 20; ++round) {
        std::vector<net::awaitable<Result<User>>> works;
        for (const auto& [user, email] :
             {std::pair{ann->id, bob->email}, std::pair{bob->id, ann->email}}) {
            works.push_back(store.update(Uuid::parse(user).value(), {email, "N"}, ""));
        }
        for (const auto& result : fixture::run_all(service.context, std::move(works))) {
            changes += result.has_value() ? 1 : 0;
            if (!result) CHECK(result.error() == Errc::already_exists);
        }
    }
    CHECK(service.count("outbox_events") == changes);
}

TEST_CASE("M12: an event that cannot be written takes its user with it") {
    Fixture service;
    service.execute(
        service.pool, "ALTER TABLE outbox_events ADD CHECK (event_type <> 'user.created')"
    );
    CHECK_FALSE(service.create("a@b.c").has_value());
    CHECK(service.count("users") == 0);
}

TEST_CASE("a database that does not answer before the commit leaves nothing in doubt") {
    Fixture service{300ms};
    postgres::Pool blocker{
        service.context.get_executor(),
        {.connection = inside(server(), service.schema), .max_size = 1}};
    const auto blocked = fixture::run(
        service.context,
        postgres::with_transaction(
            blocker,
            [&](postgres::Transaction& held) -> net::awaitable<Result<int>> {
                auto locked = co_await held.async_execute(
                    "LOCK TABLE outbox_events IN EXCLUSIVE MODE"
                );
                if (!locked) co_return locked.error();
                auto user = users::make_user({"a@b.c", "Ann"});
                auto result = co_await service.store.create(std::move(user), "");
                co_return result ? 0 : result.error().code.value();
            }
        )
    );
    REQUIRE(blocked.has_value());
    CHECK(*blocked == static_cast<int>(Errc::timed_out));
    CHECK(service.count("users") == 0);
    CHECK(service.create("a@b.c").has_value());
}

TEST_CASE("M12: a commit whose answer does not come is in doubt") {
    Fixture service{300ms};
    service.execute(
        service.pool,
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'"
    );
    service.execute(
        service.pool,
        "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON users "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION doze()"
    );
    CHECK(service.create("a@b.c").error() == Errc::timed_out_in_doubt);
    service.execute(service.pool, "DROP TRIGGER slow_commit ON users");
    CHECK(service.create("x@y.z").has_value());
}

TEST_CASE("a server that cannot be reached is unavailable") {
    net::io_context context;
    auto nowhere = server();
    nowhere.port = 1;
    postgres::Pool pool{context.get_executor(), {.connection = nowhere}};
    users::PostgresUserStore store{pool, Outbox{}};
    const auto created =
        fixture::run(context, store.create(users::make_user({"a@b.c", "Ann"}), ""));
    CHECK(created.error() == Errc::unavailable);
}
