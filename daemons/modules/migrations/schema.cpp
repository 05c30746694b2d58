// SPDX-License-Identifier: MIT
#include <modules/backing/execute.hpp>
#include <modules/migrations/schema.hpp>

#include <resilience/postgres/pool.hpp>
#include <resilience/sqlite/database.hpp>

#include <utility>

namespace resilience::modules::migrations {
namespace {

// Of the transaction alone.
constexpr const char* set_waits =
    "SELECT set_config('lock_timeout', $1, true), "
    "set_config('statement_timeout', '0', true)";
constexpr const char* set_statement_timeout =
    "SELECT set_config('statement_timeout', $1, true)";

// The transaction-scoped lock of PostgreSQL that runners wait for; any number would do.
constexpr const char* take_lock = "SELECT pg_advisory_xact_lock(7310575178934677345)";

constexpr const char* read_applied =
    "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version";

constexpr const char* create_table_postgres =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
    "applied_at timestamptz NOT NULL DEFAULT now())";

constexpr const char* create_table_sqlite =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, "
    "applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) STRICT";

template <class Rows>
Result<std::vector<Applied>> read_rows(const Result<Rows>& rows) {
    if (!rows) return rows.error();
    std::vector<Applied> applied;
    for (const auto& row : *rows) {
        const auto version = row.int64(0);
        if (!version) return version.error();
        applied.push_back({
            .version = static_cast<int>(*version),
            .name = std::string(row.text(1)),
            .checksum = std::string(row.text(2)),
            .applied_at = std::string(row.text(3)),
        });
    }
    return applied;
}

std::string text_of(std::chrono::milliseconds wait) {
    return std::to_string(wait.count()) + "ms";
}

Failure lock_held(const std::string& by, const Failure& failure) {
    return fail(
        Errc::timed_out, by + " still holds the lock of the migrations: " + failure.detail
    );
}

Failure in_migration(const Migration& migration, Failure failure) {
    failure.detail = "migration " + std::to_string(migration.version) + " (" +
                     std::string(migration.name) + "): " + failure.detail;
    return failure;
}

// One step inside a transaction that holds the lock. Both adapters speak the same words.
template <class Transaction>
net::awaitable<Result<const Migration*>> perform(
    Transaction& transaction, std::span<const Migration> known, bool up
) {
    const auto applied = read_rows(co_await transaction.async_execute(read_applied));
    if (!applied) co_return applied.error();
    const auto next = up ? next_up(known, *applied) : next_down(known, *applied);
    if (!next || *next == nullptr) co_return next;
    const Migration& migration = **next;
    for (auto& statement : statements(up ? migration.up : migration.down)) {
        auto done = co_await transaction.async_execute(std::move(statement));
        if (!done) co_return in_migration(migration, done.error());
    }
    auto note = up ? backing::execute(
                         transaction,
                         "INSERT INTO schema_migrations (version, name, checksum) "
                         "VALUES ($1, $2, $3)",
                         migration.version,
                         migration.name,
                         migration.checksum
                     )
                   : backing::execute(
                         transaction,
                         "DELETE FROM schema_migrations WHERE version = $1",
                         migration.version
                     );
    const auto noted = co_await std::move(note);
    if (!noted) co_return noted.error();
    co_return next;
}

class PostgresSchema final : public Schema {
public:
    PostgresSchema(postgres::Pool& pool, Waits waits) : pool_(pool), waits_(waits) {}

    std::span<const Migration> known() const noexcept override {
        return postgres_migrations();
    }

    net::awaitable<Result<std::vector<Applied>>> applied() override {
        auto connection = co_await pool_.async_acquire();
        if (!connection) co_return connection.error();
        const auto exists =
            co_await (*connection)
                ->async_execute("SELECT to_regclass('schema_migrations') IS NOT NULL");
        if (!exists) co_return exists.error();
        if ((*exists)[0].text(0) != "t") co_return std::vector<Applied>{};
        co_return read_rows(co_await (*connection)->async_execute(read_applied));
    }

private:
    net::awaitable<Result<const Migration*>> step(Direction direction) override {
        co_return co_await postgres::with_transaction(
            pool_,
            [this, direction](postgres::Transaction& transaction
            ) -> net::awaitable<Result<const Migration*>> {
                const auto locked = co_await lock(transaction);
                if (!locked) co_return locked.error();
                auto created = co_await transaction.async_execute(create_table_postgres);
                if (!created) co_return created.error();
                co_return co_await perform(
                    transaction, known(), direction == Direction::up
                );
            }
        );
    }

    // The wait for a runner is longer than that for a statement may be.
    net::awaitable<Result<void>> lock(postgres::Transaction& transaction) const {
        const auto told =
            co_await backing::execute(transaction, set_waits, text_of(waits_.lock));
        if (!told) co_return told.error();
        const auto locked = co_await transaction.async_execute(take_lock);
        if (!locked && locked.error() == Errc::serialization_conflict)
            co_return lock_held("another runner", locked.error());
        if (!locked) co_return locked.error();
        const auto bounded = co_await backing::execute(
            transaction, set_statement_timeout, text_of(waits_.statement)
        );
        if (!bounded) co_return bounded.error();
        co_return Result<void>{};
    }

    postgres::Pool& pool_;
    Waits waits_;
};

class SqliteSchema final : public Schema {
public:
    explicit SqliteSchema(sqlite::Database& database) : database_(database) {}

    std::span<const Migration> known() const noexcept override {
        return sqlite_migrations();
    }

    net::awaitable<Result<std::vector<Applied>>> applied() override {
        const auto exists = co_await database_.async_execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations'"
        );
        if (!exists) co_return exists.error();
        if ((*exists)[0].int64(0).value() == 0) co_return std::vector<Applied>{};
        co_return read_rows(co_await database_.async_execute(read_applied));
    }

private:
    // SQLite's transactions are its lock: they begin as writers.
    net::awaitable<Result<const Migration*>> step(Direction direction) override {
        bool begun = false;
        auto done = co_await sqlite::with_transaction(
            database_,
            [this, direction, &begun](sqlite::Transaction& transaction
            ) -> net::awaitable<Result<const Migration*>> {
                begun = true;
                auto created = co_await transaction.async_execute(create_table_sqlite);
                if (!created) co_return created.error();
                co_return co_await perform(
                    transaction, known(), direction == Direction::up
                );
            }
        );
        if (!begun && !done && done.error() == Errc::timed_out)
            co_return lock_held("another runner or writer", done.error());
        co_return done;
    }

    sqlite::Database& database_;
};

}  // namespace

net::awaitable<Result<int>> Schema::up(Progress progress) {
    // A look needs no lock: a program that starts while others write does not wait for
    // them.
    const auto present = co_await applied();
    if (!present) co_return present.error();
    const auto missing = next_up(known(), *present);
    if (!missing) co_return missing.error();
    if (*missing == nullptr) co_return 0;
    for (int count = 0;; ++count) {
        const auto done = co_await step(Direction::up);
        if (!done) co_return done.error();
        if (*done == nullptr) co_return count;
        if (progress) progress(**done);
    }
}

net::awaitable<Result<int>> Schema::down(Progress progress) {
    const auto done = co_await step(Direction::down);
    if (!done) co_return done.error();
    if (*done == nullptr) co_return 0;
    if (progress) progress(**done);
    co_return 1;
}

std::unique_ptr<Schema> schema_of(postgres::Pool& pool, Waits waits) {
    return std::make_unique<PostgresSchema>(pool, waits);
}

std::unique_ptr<Schema> schema_of(sqlite::Database& database) {
    return std::make_unique<SqliteSchema>(database);
}

}  // namespace resilience::modules::migrations
