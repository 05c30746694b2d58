// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_DATABASE_HPP
#define RESILIENCE_MODULES_BACKING_DATABASE_HPP

#include <modules/migrations/waits.hpp>

#include <resilience/asio/result.hpp>
#include <resilience/relay.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace resilience {
namespace postgres {
class Pool;
struct PoolOptions;
}  // namespace postgres
namespace sqlite {
class Database;
}
namespace host {
class App;
class Config;
}  // namespace host
}  // namespace resilience

namespace resilience::modules::backing {

/// Which database a program uses (M13). PostgreSQL as soon as `DB_HOST` is set or
/// `--postgres` is given; else SQLite under `DATA_DIR`.
struct DatabaseSettings {
    bool use_postgres = false;
    std::string host = "localhost";
    std::int64_t port = 5432;
    std::string user = "postgres";
    std::string password = "postgres";
    std::string name = "outbox_db";
    std::string sslmode = "prefer";
    /// Connections at most.
    std::int64_t pool_size = 8;
    /// Longest wait for one statement.
    std::chrono::milliseconds timeout{3000};
    /// Set by a program that changes the schema: its waits instead of @ref timeout.
    std::optional<migrations::Waits> schema_waits;
    /// Holds the embedded database and the event file.
    std::string data_dir = "./data";

    std::filesystem::path database_file() const {
        return std::filesystem::path(data_dir) / "resilience.db";
    }
    std::filesystem::path event_file() const {
        return std::filesystem::path(data_dir) / "events.jsonl";
    }
};

/// Declares `DB_*`, `DATA_DIR` and `--postgres`.
void declare(host::Config& config, DatabaseSettings& settings);

/// The limits of the pool. A statement that outlives @ref DatabaseSettings::timeout is
/// answered for a fifth of a second later at most. With
/// @ref DatabaseSettings::schema_waits the server is told of these waits, and what stands
/// here is longer.
postgres::PoolOptions pool_options(const DatabaseSettings& settings);

/** The database of a program: exactly one of the two is there.

    @par Object lifetimes
    Must outlive what uses it; ends with the program.
*/
class Database {
public:
    /// Makes `DATA_DIR` when SQLite is used. Connects on first use.
    /// @throws std::invalid_argument The folder or the file in it cannot be written; the
    /// text names `DATA_DIR` and says why.
    Database(net::any_io_executor executor, const DatabaseSettings& settings);
    ~Database();

    /// The pool, or null when SQLite is used.
    postgres::Pool* postgres() noexcept;
    /// The embedded database, or null when PostgreSQL is used.
    sqlite::Database* sqlite() noexcept;

    /// Opens the embedded database and leaves its schema alone; does nothing with
    /// PostgreSQL.
    /// @throws std::invalid_argument The file is no database that can be used; the text
    /// names `DATA_DIR`.
    net::awaitable<Result<void>> open_file();

    /// As @ref open_file, and brings the schema of the embedded database up to date; that
    /// of PostgreSQL is kept by `migrate up`.
    net::awaitable<Result<void>> open();

    /** Answers when the database does and the schema is there; for health checks.

        Waits for no writer. After a write that the storage of the embedded database
        refused it fails with that refusal, until a write succeeds: somebody's, or one of
        its own, which it tries on each call.
    */
    net::awaitable<Result<void>> ping();

    /// Rows of `outbox_events`, for a relay.
    std::unique_ptr<ClaimSource> outbox_source();

    /// `postgres` or `sqlite`, and where; for the line a program writes at its start.
    const std::string& description() const noexcept { return description_; }

private:
    net::awaitable<Result<void>> ping_embedded();

    std::unique_ptr<postgres::Pool> pool_;
    std::unique_ptr<sqlite::Database> embedded_;
    // Reads the embedded database without standing in its queue.
    std::unique_ptr<sqlite::Database> reader_;
    net::any_io_executor executor_;
    std::string description_;
};

}  // namespace resilience::modules::backing

#endif
