// SPDX-License-Identifier: MIT
#include "backing_settings.hpp"
#include "embedded_users.hpp"

#include <host/config.hpp>
#include <host/log.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/backing/redis.hpp>
#include <modules/backing/run.hpp>
#include <modules/backing/start_log.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::modules;

namespace {

// Which parts use a real server, such as "postgres kafka ".
std::string real_parts(
    const std::vector<std::string>& arguments,
    const host::Config::Environment& environment
) {
    modules::tests::BackingSettings settings;
    const auto outcome = settings.config.parse(arguments, environment);
    REQUIRE_MESSAGE(!outcome.exit_code.has_value(), outcome.text);
    std::string parts;
    if (settings.database.use_postgres) parts += "postgres ";
    if (settings.redis.use_redis) parts += "redis ";
    if (settings.kafka.use_kafka) parts += "kafka ";
    return parts;
}

boost::json::object parts_logged(
    backing::DatabaseSettings settings, const backing::RedisSettings& redis
) {
    net::io_context context;
    const backing::Database database{context.get_executor(), settings};
    std::ostringstream stream;
    {
        host::Log log{host::LogLevel::info, stream};
        backing::log_parts(log, database, settings, redis);
    }
    return boost::json::parse(stream.str()).as_object();
}

}  // namespace

TEST_CASE("M13, M14: a server that is named, or asked for, switches its part alone") {
    CHECK(real_parts({}, {}) == "");
    CHECK(real_parts({}, {{"DB_HOST", "db"}}) == "postgres ");
    CHECK(real_parts({}, {{"REDIS_ADDR", "cache:6379"}}) == "redis ");
    CHECK(real_parts({}, {{"KAFKA_BROKERS", "broker:9092"}}) == "kafka ");
    CHECK(real_parts({"--postgres"}, {}) == "postgres ");
    CHECK(real_parts({"--redis", "--kafka"}, {}) == "redis kafka ");
    // How a server is spoken to does not say that there is one.
    CHECK(real_parts({}, {{"DB_PORT", "1"}, {"DB_NAME", "n"}, {"REDIS_DB", "1"}}) == "");
    CHECK(real_parts({}, {{"DB_HOST", ""}, {"REDIS_ADDR", ""}}) == "");
}

TEST_CASE("M13, M14: the start says where users and buckets are kept") {
    const fixture::Folder folder;
    const auto embedded = parts_logged({.data_dir = folder.path()}, {});
    CHECK(embedded.at("msg") == "backing parts");
    CHECK(embedded.at("database").as_string().starts_with("SQLite in " + folder.path()));
    CHECK(embedded.at("database_embedded") == true);
    CHECK(embedded.at("buckets") == "in this process");
    CHECK(embedded.at("buckets_embedded") == true);
    CHECK(embedded.at("data_dir") == boost::json::string(folder.path()));
    const auto real = parts_logged(
        {.use_postgres = true, .host = "db", .password = "secret words"},
        {.use_redis = true, .address = "cache:1", .password = "secret words"}
    );
    CHECK(real.at("database") == "PostgreSQL at db:5432, database outbox_db");
    CHECK(real.at("database_embedded") == false);
    CHECK(real.at("buckets") == "Redis at cache:1");
    CHECK(real.at("buckets_embedded") == false);
    CHECK(boost::json::serialize(real).find("secret words") == std::string::npos);
}

TEST_CASE(
    "M10, M17: a database answers while its schema is there, else it says what to run"
) {
    const fixture::Folder folder;
    net::io_context context;
    backing::Database database{context.get_executor(), {.data_dir = folder.path()}};
    REQUIRE(fixture::run(context, database.open()).has_value());
    CHECK(fixture::run(context, database.ping()).has_value());
    const auto drop = [&]() -> net::awaitable<bool> {
        const auto dropped =
            co_await backing::execute(*database.sqlite(), "DROP TABLE backfill_runs");
        co_return dropped.has_value();
    };
    REQUIRE(fixture::run(context, drop()));
    const auto missing = fixture::run(context, database.ping());
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().message().find("migrate up") != std::string::npos);
}

TEST_CASE("O1: a command ends with 0 after its work, with 1 when that failed or threw") {
    const fixture::Folder folder;
    const backing::DatabaseSettings settings{.data_dir = folder.path()};
    const auto end_of = [&](Result<void> result) {
        return backing::run_to_end(
            "test",
            settings,
            [&](backing::Database&) -> net::awaitable<Result<void>> { co_return result; }
        );
    };
    CHECK(end_of(Result<void>{}) == 0);
    CHECK(end_of(fail(Errc::unavailable, "down")) == 1);
    CHECK(
        backing::run_to_end(
            "test",
            settings,
            [](backing::Database&) -> net::awaitable<Result<void>> {
                throw std::runtime_error("broken");
                co_return Result<void>{};
            }
        ) == 1
    );
}
