// SPDX-License-Identifier: MIT
#include "statement_cache.hpp"

#include <sqlite3.h>

#include <utility>

namespace resilience::sqlite::detail {
namespace {

// Whether nothing but white space, semicolons and comments follows the first command.
bool is_empty(sqlite3* connection, const char* tail) {
    sqlite3_stmt* next = nullptr;
    const int code = sqlite3_prepare_v3(connection, tail, -1, 0, &next, nullptr);
    const StatementPointer owner{next};
    return code == SQLITE_OK && next == nullptr;
}

}  // namespace

void FinalizeStatement::operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_finalize(statement);
}

StatementCache::Found StatementCache::find(sqlite3* connection, const std::string& sql) {
    if (const auto known = index_.find(sql); known != index_.end()) {
        entries_.splice(entries_.begin(), entries_, known->second);
        return {entries_.front().statement.get()};
    }
    sqlite3_stmt* prepared = nullptr;
    const char* tail = nullptr;
    const int code = sqlite3_prepare_v3(
        connection,
        sql.c_str(),
        static_cast<int>(sql.size() + 1),
        SQLITE_PREPARE_PERSISTENT,
        &prepared,
        &tail
    );
    StatementPointer statement{prepared};
    if (code != SQLITE_OK) return {nullptr, code};
    // A text that goes on after a NUL is not what the caller sees.
    const bool whole = tail && sql.find('\0') == std::string::npos;
    if (!statement || !whole || !is_empty(connection, tail)) return {};

    entries_.push_front({sql, std::move(statement)});
    index_.emplace(entries_.front().sql, entries_.begin());
    if (entries_.size() > limit_) {
        index_.erase(entries_.back().sql);
        entries_.pop_back();
    }
    return {entries_.front().statement.get()};
}

void StatementCache::clear() {
    index_.clear();
    entries_.clear();
}

}  // namespace resilience::sqlite::detail
