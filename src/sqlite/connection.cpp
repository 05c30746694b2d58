// SPDX-License-Identifier: MIT
#include "connection.hpp"

#include <resilience/retry_policy.hpp>
#include <resilience/sqlite/result_code.hpp>

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>
#include <type_traits>
#include <utility>

namespace resilience::sqlite::detail {
namespace {

// Instructions of SQLite's machine between two looks at the deadline: some microseconds.
constexpr int progress_steps = 1000;

// Waits while another connection holds the lock of the file.
constexpr RetryPolicy busy_waits{{
    .base = std::chrono::milliseconds{1},
    .factor = 2.0,
    .cap = std::chrono::milliseconds{20},
    .jitter = Jitter::none,
}};

int bind(sqlite3_stmt* statement, int place, const Value& value) {
    return std::visit(
        [&](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::monostate>) {
                return sqlite3_bind_null(statement, place);
            } else if constexpr (std::is_same_v<T, std::int64_t>) {
                return sqlite3_bind_int64(statement, place, v);
            } else if constexpr (std::is_same_v<T, double>) {
                return sqlite3_bind_double(statement, place, v);
            } else if constexpr (std::is_same_v<T, std::string>) {
                return sqlite3_bind_text64(
                    statement, place, v.data(), v.size(), SQLITE_STATIC, SQLITE_UTF8
                );
            } else {
                return sqlite3_bind_blob64(
                    statement, place, v.bytes.data(), v.bytes.size(), SQLITE_STATIC
                );
            }
        },
        value
    );
}

Value cell(sqlite3_stmt* statement, int column) {
    const auto size = [&] {
        return static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    };
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(statement, column);
        case SQLITE_TEXT: {
            const auto* text = sqlite3_column_text(statement, column);
            return std::string(text, text + size());
        }
        case SQLITE_BLOB: {
            const auto* bytes =
                static_cast<const char*>(sqlite3_column_blob(statement, column));
            return Blob{bytes ? std::string(bytes, size()) : std::string{}};
        }
        default:
            return std::monostate{};
    }
}

std::size_t size_of(const Value& value) {
    std::size_t bytes = sizeof(Value);
    if (const auto* text = std::get_if<std::string>(&value)) bytes += text->size();
    if (const auto* blob = std::get_if<Blob>(&value)) bytes += blob->bytes.size();
    return bytes;
}

// Tells INSERT, UPDATE and DELETE ... RETURNING from commands such as PRAGMA, which write
// and return as well but refuse to run inside of a transaction.
bool returns_changes(sqlite3_stmt* statement) {
    if (sqlite3_stmt_readonly(statement) != 0) return false;
    constexpr std::string_view word = "RETURNING";
    const std::string_view sql = sqlite3_sql(statement);
    const auto same = [](char a, char b) {
        return std::toupper(static_cast<unsigned char>(a)) == b;
    };
    return std::search(sql.begin(), sql.end(), word.begin(), word.end(), same) !=
           sql.end();
}

// Leaves a kept statement as it was found, whatever happened in between.
class Use {
public:
    explicit Use(sqlite3_stmt* statement) noexcept : statement_(statement) {}
    ~Use() {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

private:
    sqlite3_stmt* statement_;
};

}  // namespace

// Makes `interrupt` the one that the callbacks of SQLite ask.
class Connection::Scope {
public:
    Scope(Connection& connection, Interrupt& interrupt) noexcept
        : connection_(connection) {
        connection_.interrupt_ = &interrupt;
    }
    ~Scope() { connection_.interrupt_ = nullptr; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

private:
    Connection& connection_;
};

Connection::Connection(const DatabaseOptions& options)
    : options_(options), statements_(options.statement_cache) {}

Connection::~Connection() { close(); }

Result<void> Connection::open(Interrupt& interrupt) {
    const Scope scope(*this, interrupt);
    return open_file();
}

Result<Rows> Connection::execute(
    const std::string& sql, const std::vector<Parameter>& parameters, Interrupt& interrupt
) {
    const Scope scope(*this, interrupt);
    if (auto opened = open_file(); !opened) return opened.error();
    const auto [statement, code] = statements_.find(connection_, sql);
    if (code != SQLITE_OK) return failure(code);
    if (!statement) return fail(Errc::invalid_request, "the text is not one command");
    const int wanted = sqlite3_bind_parameter_count(statement);
    if (static_cast<std::size_t>(wanted) != parameters.size()) {
        return fail(
            Errc::invalid_request,
            "the command has " + std::to_string(wanted) + " parameters, not " +
                std::to_string(parameters.size())
        );
    }
    // A change that returns rows could be given up between two of them, and would then be
    // committed: it needs a transaction that can be rolled back.
    const bool guarded = returns_changes(statement) && !in_transaction();
    if (guarded) {
        if (auto begun = command("BEGIN IMMEDIATE"); !begun) return begun.error();
    }
    // clang 14 captures no structured binding by itself.
    Result<Rows> rows = [&, statement = statement]() -> Result<Rows> {
        const Use use(statement);
        for (int i = 0; i < wanted; ++i) {
            const int bound = bind(statement, i + 1, parameters[i].value());
            if (bound != SQLITE_OK) return failure(bound);
        }
        return step(statement);
    }();
    if (guarded) {
        auto ended = rows ? command("COMMIT") : Result<void>{};
        rollback();
        if (!ended) return ended.error();
    }
    return rows;
}

Result<Rows> Connection::step(sqlite3_stmt* statement) {
    const int columns = sqlite3_column_count(statement);
    const auto before = sqlite3_total_changes64(connection_);
    std::vector<Value> cells;
    std::size_t bytes = 0;
    for (;;) {
        // A short command never reaches the look at the deadline inside of SQLite.
        if (const auto reason = interrupt_->reason()) return fail(*reason);
        const int code = sqlite3_step(statement);
        if (code == SQLITE_DONE) break;
        if (code != SQLITE_ROW) return failure(code);
        for (int i = 0; i < columns; ++i) {
            cells.push_back(cell(statement, i));
            bytes += size_of(cells.back());
        }
        if (bytes > options_.max_result_bytes) {
            return fail(
                Errc::too_large,
                "the result is larger than " + std::to_string(options_.max_result_bytes) +
                    " bytes"
            );
        }
    }
    const bool changed = sqlite3_total_changes64(connection_) != before;
    const std::int64_t affected = changed ? sqlite3_changes64(connection_) : 0;
    return Rows{std::move(cells), static_cast<std::size_t>(columns), affected};
}

Result<void> Connection::run_script(const std::string& sql, Interrupt& interrupt) {
    const Scope scope(*this, interrupt);
    if (auto opened = open_file(); !opened) return opened;
    if (sql.find('\0') != std::string::npos) {
        return fail(Errc::invalid_request, "the text holds a NUL");
    }
    return command(sql.c_str());
}

void Connection::rollback() noexcept {
    if (!in_transaction()) return;
    auto* const interrupt = std::exchange(interrupt_, nullptr);
    sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr);
    interrupt_ = interrupt;
}

bool Connection::in_transaction() const noexcept {
    return connection_ && sqlite3_get_autocommit(connection_) == 0;
}

// In WAL mode a rolled-back transaction writes nothing but what its cache had no room
// for.
bool Connection::has_committed() noexcept {
    if (!connection_) return false;
    int pages = 0;
    int highest = 0;
    sqlite3_db_status(connection_, SQLITE_DBSTATUS_CACHE_WRITE, &pages, &highest, 0);
    return std::exchange(pages_written_, pages) != pages && !in_transaction();
}

Result<void> Connection::open_file() {
    if (const auto reason = interrupt_->reason()) return fail(*reason);
    const bool in_memory = options_.path == ":memory:";
    if (broken_ && !in_memory && !in_transaction()) close();
    if (connection_) return check_place();
    // SQLite makes files for everybody to read, and those beside them like them. A
    // second descriptor would take SQLite's locks along when it is closed.
    if (!in_memory && !options_.read_only) {
        (void)::mknod(options_.path.c_str(), S_IFREG | S_IRUSR | S_IWUSR, 0);
    }
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                      (options_.read_only ? SQLITE_OPEN_READONLY
                                          : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    const int code = sqlite3_open_v2(options_.path.c_str(), &connection_, flags, nullptr);
    auto opened = code == SQLITE_OK ? prepare_file() : failure(code);
    if (!opened) {
        close();
        return fail(
            static_cast<Errc>(opened.error().code.value()),
            options_.path.string() + ": " + opened.error().detail
        );
    }
    return {};
}

// A file without a name takes writes that nobody will ever read. The one that has the
// name now is not taken in its stead: the log beside it may still be the old one's.
Result<void> Connection::check_place() {
    int moved = 0;
    sqlite3_file_control(connection_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved == 0) return {};
    std::error_code ignored;
    const bool replaced = std::filesystem::exists(options_.path, ignored);
    return fail(
        Errc::unavailable,
        options_.path.string() + (replaced
                                      ? ": is another file than the one that was opened"
                                      : ": the file was removed")
    );
}

Result<void> Connection::prepare_file() {
    sqlite3_busy_handler(connection_, &Connection::on_busy, this);
    sqlite3_progress_handler(connection_, progress_steps, &Connection::on_progress, this);
    const bool full = options_.synchronous == Synchronous::full;
    std::string settings = "PRAGMA foreign_keys=ON;";
    settings += full ? "PRAGMA synchronous=FULL;" : "PRAGMA synchronous=NORMAL;";
    // Reads the header, so a file that is no database is found out now.
    settings += "SELECT count(*) FROM sqlite_schema;";
    if (auto done = command(settings.c_str()); !done || options_.read_only) return done;
    const auto since = Clock::now();
    for (;;) {
        // Whoever changes the mode first keeps the others out without their waiting.
        auto done = command("PRAGMA journal_mode=WAL");
        if (done || !(done.error() == Errc::timed_out)) return done;
        if (Clock::now() - since >= options_.busy_timeout) return done;
        if (!interrupt_->wait(std::chrono::milliseconds{5})) return done;
    }
}

Result<void> Connection::command(const char* sql) {
    const int code = sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return {};
    return failure(code);
}

Failure Connection::failure(int code) {
    const int primary = code & 0xff;
    std::string text = connection_ ? sqlite3_errmsg(connection_) : sqlite3_errstr(code);
    auto kind = errc_of_result_code(code, text);
    if (primary == SQLITE_INTERRUPT || primary == SQLITE_BUSY) {
        kind = interrupt_->reason().value_or(kind);
    }
    // SQLite opens for reading what it may not write, and would never try again.
    const bool fell_back = primary == SQLITE_READONLY && !options_.read_only &&
                           connection_ && sqlite3_db_readonly(connection_, "main") == 1;
    const bool broken = primary == SQLITE_IOERR || primary == SQLITE_CORRUPT ||
                        primary == SQLITE_NOTADB || primary == SQLITE_CANTOPEN ||
                        fell_back;
    broken_ = broken_ || broken;
    return fail(kind, std::move(text));
}

void Connection::close() noexcept {
    statements_.clear();
    sqlite3_close_v2(connection_);
    connection_ = nullptr;
    pages_written_ = 0;
    broken_ = false;
}

int Connection::on_busy(void* self, int tries) {
    auto& connection = *static_cast<Connection*>(self);
    if (!connection.interrupt_) return 0;
    const auto now = Clock::now();
    if (tries == 0) connection.busy_since_ = now;
    if (now - connection.busy_since_ >= connection.options_.busy_timeout) return 0;
    const auto wait = busy_waits.delay(static_cast<std::uint32_t>(tries) + 1, 0);
    return connection.interrupt_->wait(wait) ? 1 : 0;
}

int Connection::on_progress(void* self) {
    const auto& connection = *static_cast<Connection*>(self);
    return connection.interrupt_ && connection.interrupt_->reason() ? 1 : 0;
}

}  // namespace resilience::sqlite::detail
