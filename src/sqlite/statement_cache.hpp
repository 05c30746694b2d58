// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_STATEMENT_CACHE_HPP
#define RESILIENCE_SQLITE_STATEMENT_CACHE_HPP

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace resilience::sqlite::detail {

struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const noexcept;
};
using StatementPointer = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

/// Keeps the statements that were used last prepared.
class StatementCache {
public:
    explicit StatementCache(std::size_t limit) : limit_(limit) {}

    /// The statement, or null and the result code of its preparation. Null with code 0:
    /// the text has no command, or more than one.
    struct Found {
        sqlite3_stmt* statement = nullptr;
        int code = 0;
    };
    Found find(sqlite3* connection, const std::string& sql);

    /// Must be done before the connection is closed.
    void clear();
    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct Entry {
        std::string sql;
        StatementPointer statement;
    };

    std::size_t limit_;
    // The one used last is in front. The texts of the index are those of the entries.
    std::list<Entry> entries_;
    std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

}  // namespace resilience::sqlite::detail

#endif
