// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_DATABASE_HPP
#define RESILIENCE_MODULES_BACKING_DATABASE_HPP

#include <resilience/asio/result.hpp>
#include <resilience/relay.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace resilience {
namespace postgres {
class Pool;
}
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
    /// Holds the embedded database and the event file.
    std::string data_dir = "./data";

    std::filesystem::path database_file() const {
        return std::filesystem::path(data_dir) / "resilience.db";
    }
    std::filesystem::path event_file() const {
        return std::filesystem::path(data_dir) / "events.jsonl";
    }
};

/// Declares `DB_*`, `DATA_DIR` and `--postgres`. Call @ref resolve after the settings are
/// read.
void declare(host::Config& config, DatabaseSettings& settings);

/// Decides between PostgreSQL and SQLite from what was set.
void resolve(const host::Config& config, DatabaseSettings& settings);

/** The database of a program: exactly one of the two is there.

    @par Object lifetimes
    Must outlive what uses it; ends with the program.
*/
class Database {
public:
    /// Makes `DATA_DIR` when SQLite is used. Connects on first use.
    /// @throws std::runtime_error The directory cannot be made; the text names
    /// `DATA_DIR`.
    Database(net::any_io_executor executor, const DatabaseSettings& settings);
    ~Database();

    /// The pool, or null when SQLite is used.
    postgres::Pool* postgres() noexcept;
    /// The embedded database, or null when PostgreSQL is used.
    sqlite::Database* sqlite() noexcept;

    /// Opens the embedded database and brings its schema up to date; does nothing with
    /// PostgreSQL, whose schema `migrate up` keeps.
    net::awaitable<Result<void>> open();

    /// Answers when the database does and the schema is there; for health checks.
    net::awaitable<Result<void>> ping();

    /// Rows of `outbox_events`, for a relay.
    std::unique_ptr<ClaimSource> outbox_source();

    /// `postgres` or `sqlite`, and where; for the line a program writes at its start.
    const std::string& description() const noexcept { return description_; }

private:
    std::unique_ptr<postgres::Pool> pool_;
    std::unique_ptr<sqlite::Database> embedded_;
    net::any_io_executor executor_;
    std::string description_;
};

}  // namespace resilience::modules::backing

#endif
