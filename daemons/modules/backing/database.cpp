// SPDX-License-Identifier: MIT
#include <modules/backing/database.hpp>
#include <modules/migrations/schema.hpp>

#include <resilience/postgres/outbox_source.hpp>
#include <resilience/postgres/pool.hpp>
#include <resilience/sqlite/database.hpp>
#include <resilience/sqlite/outbox_source.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace resilience::modules::backing {
namespace {

postgres::PoolOptions pool_options(const DatabaseSettings& settings) {
    // A caller waits for a connection and for its statements; together that stays well
    // below the time a request has.
    const auto acquire = std::min(settings.timeout, std::chrono::milliseconds{1000});
    return {
        .connection =
            {
                .host = settings.host,
                .port = static_cast<std::uint16_t>(settings.port),
                .user = settings.user,
                .password = settings.password,
                .database = settings.name,
                .ssl_mode = postgres::parse_ssl_mode(settings.sslmode)
                                .value_or(postgres::SslMode::prefer),
                .connect_timeout = settings.timeout,
                .query_timeout = settings.timeout,
            },
        .max_size = static_cast<std::size_t>(settings.pool_size),
        .acquire_timeout = acquire,
    };
}

void make_folder(const DatabaseSettings& settings) {
    std::error_code error;
    std::filesystem::create_directories(settings.data_dir, error);
    if (error) {
        throw std::runtime_error(
            "DATA_DIR: cannot make the folder " + settings.data_dir + ": " +
            error.message()
        );
    }
}

constexpr const char* schema_probe =
    "SELECT 1 FROM outbox_events, users, backfill_runs LIMIT 0";

Failure schema_missing(const Failure& failure) {
    if (failure == Errc::invalid_request || failure == Errc::bad_destination) {
        return fail(Errc::bad_destination, "the schema is missing; run: migrate up");
    }
    return failure;
}

}  // namespace

Database::Database(net::any_io_executor executor, const DatabaseSettings& settings)
    : executor_(executor) {
    if (settings.use_postgres) {
        pool_ = std::make_unique<postgres::Pool>(executor, pool_options(settings));
        description_ = "PostgreSQL at " + settings.host + ":" +
                       std::to_string(settings.port) + ", database " + settings.name;
    } else {
        make_folder(settings);
        embedded_ = std::make_unique<sqlite::Database>(
            executor,
            sqlite::DatabaseOptions{
                .path = settings.database_file(), .operation_timeout = settings.timeout}
        );
        description_ = "SQLite in " + settings.database_file().string();
    }
}

Database::~Database() = default;

postgres::Pool* Database::postgres() noexcept { return pool_.get(); }

sqlite::Database* Database::sqlite() noexcept { return embedded_.get(); }

net::awaitable<Result<void>> Database::open() {
    if (!embedded_) co_return Result<void>{};
    if (auto opened = co_await embedded_->async_open(); !opened) co_return opened.error();
    auto schema = migrations::schema_of(*embedded_);
    auto applied = co_await schema->up();
    if (!applied) co_return applied.error();
    co_return Result<void>{};
}

net::awaitable<Result<void>> Database::ping() {
    if (embedded_) {
        auto answer = co_await embedded_->async_execute(schema_probe);
        if (!answer) co_return schema_missing(answer.error());
        co_return Result<void>{};
    }
    auto connection = co_await pool_->async_acquire();
    if (!connection) co_return connection.error();
    auto answer = co_await (*connection)->async_execute(schema_probe);
    if (!answer) co_return schema_missing(answer.error());
    co_return Result<void>{};
}

std::unique_ptr<ClaimSource> Database::outbox_source() {
    if (embedded_) return std::make_unique<sqlite::OutboxSource>(*embedded_);
    return std::make_unique<postgres::OutboxSource>(*pool_);
}

}  // namespace resilience::modules::backing
