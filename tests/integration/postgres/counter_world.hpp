// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_COUNTER_WORLD_HPP
#define RESILIENCE_TESTS_POSTGRES_COUNTER_WORLD_HPP

#include "server.hpp"

#include <resilience/window_source.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace postgres_tests {

/// An event of @ref CounterWorld: the `n`-th of its key.
struct Counted {
    std::string id;
    std::string key;
    std::string n;
};

/// What is wrong with what was delivered; each a number of events.
struct Findings {
    int lost = 0;
    int twice = 0;
    int phantom = 0;
    /// Not the successor of what was delivered before it of its key.
    int out_of_order = 0;

    bool clean() const { return lost + twice + phantom + out_of_order == 0; }
};

/// An outbox whose events count: each key has a counter, and who writes an event of a key
/// increases it first and so holds it until the transaction ends. So the order of a key's
/// events is known.
class CounterWorld {
public:
    static constexpr int keys = 24;
    static constexpr int lanes = 2;

    CounterWorld() : schema_(true) {
        schema_.script(
            "CREATE TABLE counters (key integer PRIMARY KEY, n integer NOT NULL);"
            "INSERT INTO counters SELECT key, 0 FROM generate_series(0, " +
            std::to_string(keys - 1) + ") key"
        );
    }

    /// Patient: writers wait for one another, and all of them connect at once.
    pg::ConnectionOptions options() const {
        auto options = schema_.options();
        options.connect_timeout = 60s;
        options.query_timeout = 60s;
        return options;
    }
    const Schema& schema() const { return schema_; }

    /// Counts a key up and tells so.
    static pg::Statement event(int key, const std::string& topic = "t") {
        return {
            "WITH counted AS (UPDATE counters SET n = n + 1 WHERE key = $1::integer "
            "RETURNING key, n) "
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, partition_key, lane) "
            "SELECT gen_random_uuid(), 'counter', key, n, '{}', $2::text, key, key % " +
                std::to_string(lanes) + " FROM counted",
            pg::parameters(key, topic)};
    }

    /// What is committed, in any order.
    net::awaitable<std::vector<Counted>> committed() const {
        auto connection = co_await connected(options());
        const auto rows = co_await connection.async_execute(
            "SELECT id, aggregate_id, event_type FROM outbox_events"
        );
        if (!rows) FAIL(rows.error().message());
        std::vector<Counted> list;
        for (const auto row : *rows) {
            list.push_back(
                {std::string{row.text(0)},
                 std::string{row.text(1)},
                 std::string{row.text(2)}}
            );
        }
        co_return list;
    }

private:
    Schema schema_;
};

inline Findings examine(
    const std::vector<Counted>& delivered, const std::vector<Counted>& committed
) {
    Findings findings;
    std::map<std::string, int> times;
    for (const auto& event : committed) times[event.id] = 0;
    std::map<std::string, int> last;
    for (const auto& event : delivered) {
        const auto at = times.find(event.id);
        if (at == times.end()) {
            ++findings.phantom;
        } else if (++at->second > 1) {
            ++findings.twice;
        }
        const int n = std::stoi(event.n);
        if (n != last[event.key] + 1) ++findings.out_of_order;
        last[event.key] = n;
    }
    for (const auto& [id, count] : times) findings.lost += count == 0;
    return findings;
}

/// Follows one lane as an engine would, delivering into memory.
class LaneReader {
public:
    LaneReader(resilience::WindowSource& source, int lane, std::size_t limit = 5000)
        : source_(source), lane_(lane), limit_(limit) {}

    /// Delivers one slice, unless it crashes before the commit: then everything but the
    /// committed position is forgotten.
    /// @return Whether there was something.
    net::awaitable<bool> step(bool crash = false) {
        auto next = position_;
        if (next.seen == next.window) {
            const auto window = co_await source_.look();
            if (!window) FAIL("look: ", window.error().message());
            next.window = window->snapshot;
            const auto passed = co_await source_.gate(window->insert);
            if (!passed) FAIL("gate: ", passed.error().message());
        }
        resilience::WindowSlice slice;
        slice.lane = lane_;
        slice.seen = next.seen;
        slice.window = next.window;
        slice.last_seq = next.last_seq;
        slice.limit = limit_;
        const auto events = co_await source_.read(slice);
        if (!events) FAIL("read: ", events.error().message());
        if (crash) co_return true;
        for (const auto& event : *events) {
            delivered.push_back(
                {event.event.id, event.event.aggregate_id, event.event.event_type}
            );
        }
        if (events->size() == limit_) {
            next.last_seq = events->back().seq;
        } else {
            next.seen = next.window;
            next.last_seq = 0;
        }
        position_ = next;
        co_return !events->empty();
    }

    /// Delivers all that is committed.
    net::awaitable<void> drain() {
        // What is left of the window in hand, then a whole new one.
        for (int windows = 0; windows < 2;) {
            const bool more = co_await step();
            if (!more || position_.seen == position_.window) ++windows;
        }
    }

    std::vector<Counted> delivered;

private:
    resilience::WindowSource& source_;
    int lane_;
    std::size_t limit_;
    resilience::LanePosition position_;
};

}  // namespace postgres_tests

#endif
