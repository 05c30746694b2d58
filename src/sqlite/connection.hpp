// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_CONNECTION_HPP
#define RESILIENCE_SQLITE_CONNECTION_HPP

#include <resilience/sqlite/database.hpp>

#include "interrupt.hpp"
#include "statement_cache.hpp"

#include <memory>
#include <string>
#include <vector>

struct sqlite3;

namespace resilience::sqlite::detail {

/** The one connection to the file. Blocks.

    @par Thread safety
    Unsafe: the worker's thread alone uses it.
*/
class Connection {
public:
    explicit Connection(const DatabaseOptions& options);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Opens the file unless it is open.
    Result<void> open(Interrupt& interrupt);

    /// Runs one command; opens the file first.
    Result<Rows> execute(
        const std::string& sql,
        const std::vector<Parameter>& parameters,
        Interrupt& interrupt
    );

    /// Runs commands until one fails; opens the file first.
    Result<void> run_script(const std::string& sql, Interrupt& interrupt);

    /// Rolls back if there is a transaction. Not to be interrupted.
    void rollback() noexcept;
    bool in_transaction() const noexcept;

    /// Whether something was committed to the file since the last call.
    bool has_committed() noexcept;

private:
    class Scope;

    Result<void> open_file();
    Result<void> prepare_file();
    Result<void> check_place();
    Result<Rows> step(sqlite3_stmt* statement);
    Result<void> command(const char* sql);
    Failure failure(int code);
    void close() noexcept;

    static int on_busy(void* self, int tries);
    static int on_progress(void* self);

    const DatabaseOptions& options_;
    sqlite3* connection_ = nullptr;
    // The file failed: the next operation opens it anew.
    bool broken_ = false;
    // Pages written by the time of the last look.
    int pages_written_ = 0;
    StatementCache statements_;
    Interrupt* interrupt_ = nullptr;
    TimePoint busy_since_{};
};

}  // namespace resilience::sqlite::detail

#endif
