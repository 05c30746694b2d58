// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_BACKFILL_WORLD_HPP
#define RESILIENCE_TESTS_BACKFILL_WORLD_HPP

#include <modules/backfill/store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fixture {

namespace backfill = resilience::modules::backfill;

/// The tables of a backfill in memory.
struct MemoryTables final : backfill::Tables {
    template <class T>
    using Answer = resilience::net::awaitable<resilience::Result<T>>;

    std::vector<backfill::PastEvent> outbox;
    std::map<std::string, backfill::Run> runs;
    std::vector<resilience::OutboxRow> written;
    int runs_begun = 0;
    /// The most rows, whatever they are, among which a transaction looked for events.
    std::size_t most_looked_at = 0;

    /// A row that any outbox takes.
    void add(
        std::string id,
        std::string event_type = "user.created",
        std::string aggregate_type = "user"
    ) {
        backfill::PastEvent past{.seq = static_cast<std::int64_t>(outbox.size()) + 1};
        past.event = {
            .id = std::move(id),
            .aggregate_type = std::move(aggregate_type),
            .aggregate_id = "7",
            .event_type = std::move(event_type),
            .event_data = "{}",
            .topic = "people"};
        outbox.push_back(std::move(past));
    }

    Answer<std::optional<backfill::Run>> find_run(std::string request) override {
        const auto found = runs.find(request);
        if (found == runs.end()) co_return std::optional<backfill::Run>{};
        co_return std::optional{found->second};
    }

    Answer<void> insert_run(std::string request) override {
        const auto last = outbox.empty() ? 0 : outbox.back().seq;
        const auto id = "run" + std::to_string(++runs_begun);
        runs.insert({request, {.id = id, .max_seq = last}});
        co_return resilience::Result<void>{};
    }

    Answer<std::int64_t> look_ahead(
        std::int64_t after, std::int64_t max_seq, std::int64_t rows
    ) override {
        for (const auto& past : outbox) {
            if (past.seq > after && past.seq <= max_seq)
                co_return std::min(past.seq + rows - 1, max_seq);
        }
        co_return max_seq;
    }

    Answer<std::vector<backfill::PastEvent>> select_events(
        backfill::Range range, backfill::Request request, std::int64_t wanted
    ) override {
        std::vector<backfill::PastEvent> found;
        std::size_t looked_at = 0;
        for (const auto& past : outbox) {
            if (past.seq <= range.after || past.seq > range.up_to) continue;
            ++looked_at;
            if (past.event.aggregate_type != request.aggregate_type) continue;
            if (static_cast<std::int64_t>(found.size()) < wanted) found.push_back(past);
        }
        most_looked_at = std::max(most_looked_at, looked_at);
        co_return found;
    }

    Answer<void> append(resilience::OutboxRow row) override {
        written.push_back(std::move(row));
        co_return resilience::Result<void>{};
    }

    Answer<void> save_run(backfill::Run run, bool finished) override {
        for (auto at = runs.begin(); at != runs.end(); ++at) {
            if (at->second.id != run.id) continue;
            at->second = run;
            if (finished) runs.erase(at);
            break;
        }
        co_return resilience::Result<void>{};
    }
};

/// Runs transactions on the tables, and loses the first of them as it is told.
struct MemoryStore final : backfill::Store {
    MemoryTables tables;
    /// Transactions that are rolled back and run again before one is committed.
    int repeats = 0;
    /// The commit of this one, counted from 1, fails and nothing of it stands.
    int failing_commit = 0;
    int commits = 0;
    /// Called before each commit and each rollback.
    std::function<void()> before_end = [] {};
    std::vector<backfill::Summary> summaries;

    resilience::net::awaitable<resilience::Result<backfill::Chunk>> in_transaction(
        Work work
    ) override {
        for (;;) {
            const auto before = tables;
            auto chunk = co_await work(tables);
            before_end();
            if (repeats > 0) {
                --repeats;
                restore(before);
                continue;
            }
            if (++commits == failing_commit) {
                restore(before);
                co_return resilience::fail(resilience::Errc::unavailable, "gone");
            }
            if (!chunk) restore(before);
            co_return chunk;
        }
    }

    resilience::net::awaitable<resilience::Result<std::vector<backfill::Summary>>>
    summarise(backfill::Request) override {
        co_return summaries;
    }

private:
    void restore(const MemoryTables& before) { tables = before; }
};

}  // namespace fixture

#endif
