// SPDX-License-Identifier: MIT
#include <modules/backing/data_dir.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/health.hpp>
#include <modules/migrations/schema.hpp>

#include <resilience/postgres/outbox_source.hpp>
#include <resilience/postgres/pool.hpp>
#include <resilience/sqlite/database.hpp>
#include <resilience/sqlite/outbox_source.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace resilience::modules::backing {
namespace {

constexpr const char* schema_probe =
    "SELECT 1 FROM outbox_events, users, backfill_runs LIMIT 0";

// More than a request writes: a disk that is full may have room for a page or two.
constexpr const char* write_trial =
    "DROP TABLE IF EXISTS write_trial;"
    "CREATE TABLE write_trial (bytes BLOB);"
    "INSERT INTO write_trial VALUES (randomblob(65536))";
constexpr const char* end_of_trial = "DROP TABLE IF EXISTS write_trial";

Failure schema_missing(const Failure& failure) {
    if (failure == Errc::invalid_request || failure == Errc::bad_destination) {
        return fail(Errc::bad_destination, schema_is_missing);
    }
    return failure;
}

sqlite::DatabaseOptions file_options(const DatabaseSettings& settings) {
    sqlite::DatabaseOptions options{
        .path = settings.database_file(), .operation_timeout = settings.timeout};
    if (const auto& waits = settings.schema_waits) {
        options.busy_timeout = waits->lock;
        options.operation_timeout = waits->longest();
        // A change has several statements, each with a limit of its own.
        options.transaction_timeout = 100 * options.operation_timeout;
    }
    return options;
}

}  // namespace

postgres::PoolOptions pool_options(const DatabaseSettings& settings) {
    using std::chrono::milliseconds;
    // A caller waits for a connection and for its statements; together that stays well
    // below the time a request has.
    const auto acquire = std::min(settings.timeout, milliseconds{1000});
    // A server that does not even heed a cancellation is not waited for any longer.
    const auto drain =
        std::clamp(settings.timeout / 10, milliseconds{1}, milliseconds{200});
    // The server is told of the waits for a change of the schema, and answers first.
    const auto& waits = settings.schema_waits;
    const auto query = waits ? waits->longest() + settings.timeout : settings.timeout;
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
                .query_timeout = query,
                .drain_timeout = drain,
            },
        .max_size = static_cast<std::size_t>(settings.pool_size),
        .acquire_timeout = acquire,
    };
}

Database::Database(net::any_io_executor executor, const DatabaseSettings& settings)
    : executor_(executor) {
    if (settings.use_postgres) {
        pool_ = std::make_unique<postgres::Pool>(executor, pool_options(settings));
        description_ = "PostgreSQL at " + settings.host + ":" +
                       std::to_string(settings.port) + ", database " + settings.name;
    } else {
        prepare_data_dir(settings);
        auto options = file_options(settings);
        embedded_ = std::make_unique<sqlite::Database>(executor, options);
        options.read_only = true;
        reader_ = std::make_unique<sqlite::Database>(executor, std::move(options));
        description_ = "SQLite in " + settings.database_file().string();
    }
}

Database::~Database() = default;

postgres::Pool* Database::postgres() noexcept { return pool_.get(); }

sqlite::Database* Database::sqlite() noexcept { return embedded_.get(); }

net::awaitable<Result<void>> Database::open_file() {
    if (!embedded_) co_return Result<void>{};
    auto opened = co_await embedded_->async_open();
    // Both are on the same file from now on, whatever becomes of its name.
    if (opened) opened = co_await reader_->async_open();
    if (opened) co_return opened;
    auto failure = opened.error();
    failure.detail = "DATA_DIR: " + failure.detail;
    if (failure == Errc::unavailable || failure == Errc::corrupt_data ||
        failure == Errc::access_denied) {
        throw std::invalid_argument(failure.detail);
    }
    co_return failure;
}

net::awaitable<Result<void>> Database::open() {
    auto opened = co_await open_file();
    if (!opened || !embedded_) co_return opened;
    auto schema = migrations::schema_of(*embedded_);
    auto applied = co_await schema->up();
    if (!applied) {
        auto failure = applied.error();
        // A program that serves does not wait as long as the one made for it.
        if (failure == Errc::timed_out) failure.detail += "; run: migrate up";
        co_return failure;
    }
    co_return Result<void>{};
}

net::awaitable<Result<void>> Database::ping_embedded() {
    const auto answer = co_await reader_->async_execute(schema_probe);
    if (!answer) co_return schema_missing(answer.error());
    if (embedded_->write_failure()) {
        const auto written = co_await embedded_->async_run_script(write_trial);
        if (written) (void)co_await embedded_->async_run_script(end_of_trial);
    }
    if (auto failure = embedded_->write_failure()) co_return std::move(*failure);
    co_return Result<void>{};
}

net::awaitable<Result<void>> Database::ping() {
    if (embedded_) co_return co_await ping_embedded();
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
