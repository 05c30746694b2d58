// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_STATEMENT_CACHE_HPP
#define RESILIENCE_SRC_POSTGRES_STATEMENT_CACHE_HPP

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace resilience::postgres {

/** Remembers which statements the session holds prepared, and under which names.

    Pure: it decides, the session sends. A name is not used twice, so a statement that is
    about to be dropped never meets its successor.
*/
class StatementCache {
public:
    explicit StatementCache(std::size_t capacity) : capacity_(capacity) {}

    bool enabled() const noexcept { return capacity_ > 0; }

    /// The name of a prepared statement, now the most recently used; empty: there is
    /// none.
    std::string_view find(const std::string& sql) {
        const auto found = index_.find(sql);
        if (found == index_.end()) return {};
        order_.splice(order_.begin(), order_, found->second);
        return found->second->name;
    }

    /// A name for a statement that is about to be prepared.
    std::string next_name() { return "resilience_" + std::to_string(++last_); }

    /// Records that the server holds `sql`; the least recently used makes room.
    void add(const std::string& sql, std::string name) {
        forget(sql);
        order_.push_front({sql, std::move(name)});
        index_[sql] = order_.begin();
        if (order_.size() > capacity_) forget(std::string{order_.back().sql});
    }

    /// Gives up a statement; its name joins @ref dropped.
    void forget(const std::string& sql) {
        const auto found = index_.find(sql);
        if (found == index_.end()) return;
        dropped_.push_back(std::move(found->second->name));
        order_.erase(found->second);
        index_.erase(found);
    }

    /// Names that the server still holds and nobody will use.
    const std::vector<std::string>& dropped() const noexcept { return dropped_; }
    void released(const std::string& name) { std::erase(dropped_, name); }

    /// A new session holds nothing.
    void clear() {
        order_.clear();
        index_.clear();
        dropped_.clear();
    }

    std::size_t size() const noexcept { return order_.size(); }

private:
    struct Entry {
        std::string sql;
        std::string name;
    };

    std::size_t capacity_;
    std::uint64_t last_ = 0;
    std::list<Entry> order_;  // most recently used first
    std::unordered_map<std::string, std::list<Entry>::iterator> index_;
    std::vector<std::string> dropped_;
};

}  // namespace resilience::postgres

#endif
