// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_MEMORY_TABLE_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_MEMORY_TABLE_HPP

#include <resilience/window_source.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace lane_world {

using namespace resilience;

/// Operations of a source or a sink that can be made to fail.
enum class Step { identity, look, gate, read, take_over, begin, send, decide, answer };

/// What is done, in order, and which of it fails.
struct Script {
    std::vector<std::string> calls;
    /// Asked at each step; none: it succeeds.
    std::function<std::optional<Failure>(Step)> fault = [](Step) { return std::nullopt; };

    std::size_t count(const std::string& name) const {
        return static_cast<std::size_t>(std::ranges::count(calls, name));
    }
};

/// One suspension: whoever is destroyed there has not gone on.
inline net::awaitable<void> hop() {
    const auto executor = co_await net::this_coro::executor;
    co_await net::post(executor, net::use_awaitable);
}

/// A row as a writer gives it.
struct Draft {
    int lane = 0;
    int key = 0;
    std::size_t text = 2;
    std::string topic = "t";
    std::string defect = {};
};

/** An outbox table with transactions, snapshots and a log, which loses what is not on
    disk when it crashes, and gives the numbers of transactions again that it lost.

    A transaction that writes an event of a key holds the key until it ends; events of a
    key count.
*/
class MemoryTable {
public:
    struct Row {
        WindowEvent event;
        std::uint64_t xid = 0;
        int lane = 0;
        int key = 0;
        int n = 0;
        std::size_t stored = 0;
    };

    /// A transaction gets its number, and the log tells so, at once.
    std::uint64_t begin() {
        open_[next_xid_];
        begins_[next_xid_] = ++lsn_;
        return next_xid_++;
    }

    /// False: another transaction holds the key.
    bool write(std::uint64_t xid, const Draft& draft) {
        for (const auto& [other, rows] : open_) {
            if (other == xid) continue;
            for (const auto& row : rows) {
                if (row.key == draft.key) return false;
            }
        }
        auto& rows = open_.at(xid);
        int n = counters_[draft.key];
        for (const auto& row : rows) n += row.key == draft.key;
        Row row{{}, xid, draft.lane, draft.key, n + 1, 0};
        row.event.seq = ++last_seq_;
        auto& event = row.event.event;
        event.id = "e" + std::to_string(row.event.seq) + "-" + std::to_string(xid);
        event.aggregate_type = "counter";
        event.aggregate_id = std::to_string(draft.key);
        event.partition_key = event.aggregate_id;
        event.event_type = std::to_string(row.n);
        event.event_data = std::string(draft.text, '1');
        event.topic = draft.topic;
        row.event.defect = draft.defect;
        // Some contents are larger when stored, some smaller.
        row.stored = 1 + draft.text * (1 + static_cast<std::size_t>(last_seq_ % 8)) / 2;
        rows.push_back(std::move(row));
        return true;
    }

    void commit(std::uint64_t xid) {
        auto rows = std::move(open_.at(xid));
        open_.erase(xid);
        ++lsn_;
        ends_[xid] = lsn_;
        for (auto& row : rows) {
            counters_[row.key] = row.n;
            rows_[row.event.seq] = std::move(row);
        }
    }

    void roll_back(std::uint64_t xid) { open_.erase(xid); }

    /// Commits one transaction; returns its first row's seq.
    std::int64_t insert(const std::vector<Draft>& drafts) {
        const auto xid = begin();
        const auto first = last_seq_ + 1;
        for (const auto& draft : drafts) write(xid, draft);
        commit(xid);
        return first;
    }

    void flush(std::uint64_t lsn) { flushed_ = std::max(flushed_, std::min(lsn, lsn_)); }
    void flush() { flushed_ = lsn_; }

    void crash() {
        ++crashes_;
        open_.clear();
        const auto is_lost = [&](const auto& at) { return at.second > flushed_; };
        std::erase_if(begins_, is_lost);
        std::erase_if(ends_, is_lost);
        std::erase_if(rows_, [&](const auto& at) {
            return !ends_.contains(at.second.xid);
        });
        counters_.clear();
        for (const auto& [seq, row] : rows_) {
            counters_[row.key] = std::max(counters_[row.key], row.n);
        }
        next_xid_ = begins_.empty() ? 1 : begins_.rbegin()->first + 1;
        lsn_ = flushed_;
    }

    /// The next transaction's number : those in progress.
    std::string snapshot() const {
        std::string text = std::to_string(next_xid_) + ":";
        for (const auto& [xid, rows] : open_) text += std::to_string(xid) + ",";
        return text;
    }

    static std::uint64_t end_of(const std::string& snapshot) {
        return snapshot.empty() ? 1 : std::stoull(snapshot);
    }

    static bool sees(const std::string& snapshot, std::uint64_t xid) {
        if (snapshot.empty() || xid >= end_of(snapshot)) return false;
        std::istringstream in{snapshot.substr(snapshot.find(':') + 1)};
        for (std::string one; std::getline(in, one, ',');) {
            if (std::stoull(one) == xid) return false;
        }
        return true;
    }

    std::vector<Row> slice(const WindowSlice& asked) const {
        std::vector<Row> found;
        std::size_t bytes = 0;
        for (const auto& [seq, row] : rows_) {
            if (found.size() >= asked.limit || bytes >= asked.bytes) break;
            if (row.lane != asked.lane || seq <= asked.last_seq) continue;
            if (sees(asked.seen, row.xid) || !sees(asked.window, row.xid)) continue;
            bytes += row.stored;
            found.push_back(row);
        }
        return found;
    }

    std::vector<Row> committed(int lane) const {
        std::vector<Row> list;
        for (const auto& [seq, row] : rows_) {
            if (row.lane == lane) list.push_back(row);
        }
        return list;
    }

    std::vector<std::uint64_t> open() const {
        std::vector<std::uint64_t> list;
        for (const auto& [xid, rows] : open_) list.push_back(xid);
        return list;
    }

    std::uint64_t lsn() const { return lsn_; }
    std::uint64_t flushed() const { return flushed_; }
    std::uint64_t next_xid() const { return next_xid_; }
    int crashes() const { return crashes_; }

    SourceIdentity identity{.system_id = 7, .timeline = 1, .database = 5, .table = 9};

private:
    std::uint64_t next_xid_ = 1;
    std::int64_t last_seq_ = 0;
    std::uint64_t lsn_ = 0;
    std::uint64_t flushed_ = 0;
    int crashes_ = 0;
    std::map<std::uint64_t, std::vector<Row>> open_;
    // Where in the log each transaction was begun, and committed.
    std::map<std::uint64_t, std::uint64_t> begins_;
    std::map<std::uint64_t, std::uint64_t> ends_;
    std::map<std::int64_t, Row> rows_;
    std::map<int, int> counters_;
};

/// A connection to a @ref MemoryTable: a crash of the table fails its next operation.
class MemorySource final : public WindowSource {
public:
    MemorySource(MemoryTable& table, Script& script)
        : table_(table), script_(script), crashes_(table.crashes()) {}

    net::awaitable<Result<SourceIdentity>> identity() override {
        const auto failure = co_await enter(Step::identity, "identity");
        if (failure) co_return *failure;
        co_await hop();
        co_return table_.identity;
    }

    net::awaitable<Result<Window>> look() override {
        const auto failure = co_await enter(Step::look, "look");
        if (failure) co_return *failure;
        Window window{table_.snapshot(), {table_.lsn()}, {table_.flushed()}};
        co_await hop();
        co_return window;
    }

    net::awaitable<Result<void>> gate(Lsn lsn) override {
        const auto failure = co_await enter(Step::gate, "gate");
        if (failure) co_return *failure;
        if (lsn.value > table_.lsn()) {
            co_return fail(Errc::history_changed, "the log ends before");
        }
        table_.flush(lsn.value);
        co_await hop();
        co_return Result<void>{};
    }

    net::awaitable<Result<std::vector<WindowEvent>>> read(const WindowSlice& slice
    ) override {
        const auto failure = co_await enter(Step::read, "read");
        asked.push_back(slice);
        if (failure) co_return *failure;
        if (MemoryTable::end_of(slice.window) > table_.next_xid()) {
            co_return fail(Errc::history_changed, "the snapshot is not reached");
        }
        std::vector<WindowEvent> rows;
        for (auto& row : table_.slice(slice)) rows.push_back(std::move(row.event));
        co_await hop();
        script_.calls.push_back("read done");
        co_return rows;
    }

    std::vector<WindowSlice> asked;

private:
    net::awaitable<std::optional<Failure>> enter(Step step, const char* name) {
        script_.calls.emplace_back(name);
        co_await hop();
        std::optional<Failure> failure;
        if (std::exchange(crashes_, table_.crashes()) != table_.crashes()) {
            failure = fail(Errc::connection_lost, "the server is gone");
        } else {
            failure = script_.fault(step);
        }
        co_return failure;
    }

    MemoryTable& table_;
    Script& script_;
    int crashes_;
};

}  // namespace lane_world

#endif
