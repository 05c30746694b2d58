// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_DATABASE_HPP
#define RESILIENCE_SQLITE_DATABASE_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/sqlite/parameter.hpp>
#include <resilience/sqlite/rows.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resilience::sqlite {

/// What a commit waits for.
enum class Synchronous : std::uint8_t {
    /// The log is synced: what was committed survives a loss of power.
    full,
    /// The log is synced now and then: a loss of power may undo the last commits, a crash
    /// of the process cannot.
    normal
};

/// Settings of a @ref Database.
struct DatabaseOptions {
    /// The file; its directory must exist. It is made, for its owner alone to read and
    /// write, when it does not exist. `:memory:` is a database of this object alone.
    /// Required.
    std::filesystem::path path;

    /// Opens the file for reading alone; it must exist. Default false.
    bool read_only = false;

    /// Default @ref Synchronous::full.
    Synchronous synchronous = Synchronous::full;

    /// Longest wait of one statement for another process that writes. Zero or more;
    /// default 5 s.
    std::chrono::milliseconds busy_timeout{5000};

    /// Longest time of one operation, its wait in the queue included. Positive; default
    /// 10 s.
    std::chrono::milliseconds operation_timeout{10'000};

    /// A transaction that is open for longer is rolled back, for others wait for it.
    /// Positive; default 10 s.
    std::chrono::milliseconds transaction_timeout{10'000};

    /// Operations that wait. At least 1; default 1,024.
    std::size_t queue_limit = 1024;

    /// Statements kept prepared. At least 1; default 64.
    std::size_t statement_cache = 64;

    /// Largest result of one statement, in bytes of memory. Positive; default 64 MiB.
    std::size_t max_result_bytes = 64 * 1024 * 1024;
};

/// The state of a @ref Database at one moment; counters ascend for ever.
struct DatabaseStats {
    /// Operations that wait.
    std::size_t queued = 0;
    /// Operations that ran.
    std::uint64_t performed = 0;
    /// Operations that found the queue full.
    std::uint64_t refused = 0;
    /// Operations whose deadline passed in the queue.
    std::uint64_t expired = 0;
    /// Transactions that outlived @ref DatabaseOptions::transaction_timeout.
    std::uint64_t overdue_transactions = 0;
};

namespace detail {
class Worker;
}

/** An SQLite database, behind a thread of its own.

    Operations of all users run one after another on that thread, in the order of their
    coming, so none blocks the caller's. While a @ref Transaction is open its operations
    alone run. The file is in WAL mode, with foreign keys enforced; several processes may
    use it at once. It is opened by the first operation, and opened again by the next one
    after a failure to open, read or write it. A file that was removed or replaced since
   it was opened is neither read nor written, until it is put back or the program starts
    again.

    @par Errors of each operation
    @li Errc::queue_full Too many operations wait.
    @li Errc::timed_out The deadline passed, or another process kept the file locked.
    @li Errc::cancelled The caller cancelled.
    @li Errc::closed The database was destroyed.
    @li Errc::storage_full The disk is full, fails, or can only be read.
    @li Errc::unavailable The file cannot be opened, or is not the one that was opened.
    @li Errc::bad_destination There is no such table.
    @li Errc::corrupt_data The file is not a database or is damaged.
    @li Errc::too_large The result is larger than @ref DatabaseOptions::max_result_bytes.
    @li Others of @ref errc_of_result_code, with SQLite's text.

    None is in doubt: a statement that failed had no effect.

    @par Cancellation
    `terminal`, `partial` and `total`: the operation leaves the queue, or is interrupted,
    and has no effect.

    @par Thread safety
    Safe.

    @par Object lifetimes
    Destruction interrupts the operation in hand, completes what waits with
    @ref Errc::closed, rolls back an open transaction, and waits for the thread.
    Transactions may outlive the database. Operations keep the executors they complete on
    busy until they have; these must live until then.
*/
class Database {
public:
    using executor_type = net::any_io_executor;

    /// @throws std::invalid_argument Names the option that is out of range.
    explicit Database(executor_type executor, DatabaseOptions options);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    executor_type get_executor() const;

    /// Opens the file now, to know whether it can be.
    template <class Token = net::deferred_t>
    auto async_open(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [worker = worker_](auto handler) {
                open(worker, Handler<void>(std::move(handler)));
            },
            token
        );
    }

    /** Runs one command, a transaction of its own.

        @par Errors
        @li Errc::invalid_request The text is not one command, begins or ends a
            transaction, or has another number of parameters.
    */
    template <class Token = net::deferred_t>
    auto async_execute(
        std::string sql, std::vector<Parameter> parameters = {}, Token&& token = {}
    ) {
        return net::async_initiate<Token, void(Result<Rows>)>(
            [worker = worker_](auto handler, std::string text, auto values) {
                execute(
                    worker,
                    std::move(text),
                    std::move(values),
                    Handler<Rows>(std::move(handler))
                );
            },
            token,
            std::move(sql),
            std::move(parameters)
        );
    }

    /// Runs a text of many commands without parameters, such as a migration, as one
    /// transaction.
    template <class Token = net::deferred_t>
    auto async_run_script(std::string sql, Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [worker = worker_](auto handler, std::string text) {
                run_script(worker, std::move(text), Handler<void>(std::move(handler)));
            },
            token,
            std::move(sql)
        );
    }

    DatabaseStats stats() const;

    /// Why the storage last refused something (@ref Errc::storage_full, @ref
    /// Errc::unavailable); none at first, and none again once something was committed.
    std::optional<Failure> write_failure() const;

private:
    friend class Transaction;
    using WorkerPointer = std::shared_ptr<detail::Worker>;

    static void open(const WorkerPointer&, Handler<void>);
    static void
    execute(const WorkerPointer&, std::string, std::vector<Parameter>, Handler<Rows>);
    static void run_script(const WorkerPointer&, std::string, Handler<void>);

    WorkerPointer worker_;
};

}  // namespace resilience::sqlite

#endif
