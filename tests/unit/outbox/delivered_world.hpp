// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_DELIVERED_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_DELIVERED_WORLD_HPP

#include <resilience/asio/timer.hpp>
#include <resilience/delivery_report.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace delivered_world {

using namespace resilience;
using namespace std::chrono_literals;

/// A table in memory. The snapshot "12" shows the transactions before 12.
struct MemoryRows : DeliveredRows {
    struct Row {
        int lane = 0;
        int xid = 0;
        std::string status = "NEW";
        TimePoint created_at{};
        std::string reason;
    };

    explicit MemoryRows(const net::any_io_executor& executor) : timer(executor) {}

    Timer timer;
    /// How long each statement takes.
    std::chrono::nanoseconds takes{0};
    std::map<std::int64_t, Row> rows;
    std::set<std::int64_t> locked;
    /// Rows that make a statement fail.
    std::set<std::int64_t> refused;
    std::deque<Failure> failures;
    /// What was asked for, as a text of one letter and the stretch.
    std::vector<std::string> asked;
    std::vector<TimePoint> times;

    void add(std::int64_t seq, int lane, int xid) {
        rows[seq] = {lane, xid, "NEW", timer.now(), {}};
    }
    std::string status(std::int64_t seq) const {
        const auto at = rows.find(seq);
        return at == rows.end() ? "gone" : at->second.status;
    }

    net::awaitable<Result<void>> begin(std::string what) {
        asked.push_back(std::move(what));
        times.push_back(timer.now());
        if (takes > 0ns) {
            (void
            )co_await timer.async_wait_until(timer.now() + takes, net::use_awaitable);
        }
        if (failures.empty()) co_return Result<void>{};
        auto failure = std::move(failures.front());
        failures.pop_front();
        co_return failure;
    }

    net::awaitable<Result<std::int64_t>> last_seq() override {
        const auto begun = co_await begin("last");
        if (!begun) co_return begun.error();
        co_return rows.empty() ? 0 : rows.rbegin()->first;
    }

    static bool shows(const std::string& snapshot, int xid) {
        return xid < (snapshot.empty() ? 1 : std::stoi(snapshot));
    }

    static bool delivered(
        std::int64_t seq, const Row& row, const LanePosition& position
    ) {
        return shows(position.seen, row.xid) ||
               (shows(position.window, row.xid) && seq <= position.last_seq);
    }

    template <class Due, class Change>
    Result<DeliveredOutcome> deal(const DeliveredSlice& slice, Due due, Change change) {
        DeliveredOutcome outcome;
        std::vector<std::int64_t> hits;
        for (auto at = rows.upper_bound(slice.after);
             at != rows.end() && at->first <= slice.to && outcome.looked < slice.limit;
             ++at) {
            const auto& [seq, row] = *at;
            const auto wanted = due(seq, row, outcome);
            if (!wanted) continue;
            ++outcome.looked;
            outcome.last_seq = seq;
            const LanePosition* position = nullptr;
            for (const auto& lane : slice.lanes) {
                if (lane.lane == row.lane) position = &lane.position;
            }
            if (position && *wanted && change(seq, row, *position)) {
                if (locked.contains(seq)) {
                    if (outcome.first_locked == 0) outcome.first_locked = seq;
                } else {
                    hits.push_back(seq);
                    continue;
                }
            }
            if (outcome.first_kept == 0 && row.status != "FAILED") {
                outcome.first_kept = seq;
            }
        }
        for (const auto seq : hits) {
            if (refused.contains(seq)) return fail(Errc::invalid_request, "a trigger");
        }
        outcome.changed = hits.size();
        changed = std::move(hits);
        return outcome;
    }
    std::vector<std::int64_t> changed;

    static std::string text(char what, const DeliveredSlice& slice) {
        std::string text{what};
        text += std::to_string(slice.after) + "-";
        if (slice.to != std::numeric_limits<std::int64_t>::max()) {
            text += std::to_string(slice.to);
        }
        return text;
    }

    net::awaitable<Result<DeliveredOutcome>> report(const DeliveredSlice& slice
    ) override {
        const auto begun = co_await begin(text('r', slice));
        if (!begun) co_return begun.error();
        const auto done = deal(
            slice,
            [](std::int64_t, const Row& row, DeliveredOutcome&) -> std::optional<bool> {
                if (row.status != "NEW") return std::nullopt;
                return true;
            },
            delivered
        );
        if (done) {
            for (const auto seq : changed) rows[seq].status = "SENT";
        }
        co_return done;
    }

    net::awaitable<Result<std::vector<std::int64_t>>> report_failed(
        std::span<const DeliveredLane> lanes, std::span<const DeadLetteredRow> letters
    ) override {
        const auto begun = co_await begin("f" + std::to_string(letters.size()));
        if (!begun) co_return begun.error();
        std::vector<std::int64_t> held;
        for (const auto& letter : letters) {
            auto& row = rows[letter.seq];
            for (const auto& [lane, position] : lanes) {
                if (lane != row.lane || !delivered(letter.seq, row, position)) continue;
                if (locked.contains(letter.seq)) {
                    held.push_back(letter.seq);
                    continue;
                }
                row.status = "FAILED";
                row.reason = letter.reason;
            }
        }
        co_return held;
    }

    net::awaitable<Result<DeliveredOutcome>> remove(
        const DeliveredSlice& slice, std::chrono::milliseconds age
    ) override {
        const auto begun = co_await begin(text('d', slice));
        if (!begun) co_return begun.error();
        const auto now = timer.now();
        const auto done = deal(
            slice,
            [&](std::int64_t, const Row& row, DeliveredOutcome& outcome
            ) -> std::optional<bool> {
                const bool young = age > 0ms && row.created_at > now - age;
                if (young) ++outcome.young;
                if (!young && row.status == "FAILED") ++outcome.failed;
                return !young && row.status != "FAILED";
            },
            [](std::int64_t, const Row& row, const LanePosition& position) {
                return shows(position.seen, row.xid);
            }
        );
        if (done) {
            for (const auto seq : changed) rows.erase(seq);
        }
        co_return done;
    }
};

/// A report on a table in memory, in virtual time.
struct World {
    net::io_context io;
    testing::VirtualTime time{io};
    MemoryRows rows{io.get_executor()};
    std::optional<DeliveryReport> report;
    bool ended = false;
    std::map<int, LanePosition> positions;

    explicit World(DeliveryReportOptions options = {}) {
        options.seed = 1;
        report.emplace(io.get_executor(), rows, options);
        net::co_spawn(io, report->run(), [this](std::exception_ptr) { ended = true; });
    }
    ~World() {
        report->stop();
        time.run_for(1h);
    }

    /// Writes rows of one transaction, each delivered at once in a window of its own or,
    /// with an end, in the middle of one.
    void deliver(
        int lane,
        std::int64_t first,
        std::int64_t last,
        int xid,
        bool is_window_done = true,
        std::vector<DeadLetteredRow> letters = {}
    ) {
        std::vector<WindowEvent> events;
        for (auto seq = first; seq <= last; ++seq) {
            if (!rows.rows.contains(seq)) rows.add(seq, lane, xid);
            events.push_back({.event = {}, .seq = seq, .defect = {}});
        }
        report->delivered(lane, events, next(lane, xid, last, is_window_done), letters);
    }

    /// The position after the rows of a transaction up to `last`.
    const LanePosition& next(int lane, int xid, std::int64_t last, bool is_window_done) {
        auto& position = positions[lane];
        position.window = std::to_string(xid + 1);
        position.last_seq = is_window_done ? 0 : last;
        if (is_window_done) position.seen = position.window;
        ++position.batch_seq;
        return position;
    }

    int count(const std::string& status) const {
        int found = 0;
        for (const auto& [seq, row] : rows.rows) found += row.status == status;
        return found;
    }
};

}  // namespace delivered_world

#endif
