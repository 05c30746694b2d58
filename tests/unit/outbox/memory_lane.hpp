// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_MEMORY_LANE_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_MEMORY_LANE_HPP

#include "unit/outbox/memory_table.hpp"

#include <resilience/lane_sink.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lane_world {

/// What is wrong with what was delivered; each a number of events.
struct Findings {
    int lost = 0;
    int twice = 0;
    int phantom = 0;
    int out_of_order = 0;
    /// Records whose `lane_seq` does not follow, and chunks whose `batch_seq` does not.
    int gaps = 0;

    bool clean() const { return lost + twice + phantom + out_of_order + gaps == 0; }
};

/// The destination of one lane: what its owners have committed.
struct MemoryLane {
    struct Record {
        Event event;
        std::uint64_t lane_seq = 0;
    };
    struct Transaction {
        std::vector<Record> records;
        LanePosition position;
        std::uint64_t epoch = 0;
    };

    std::vector<Record> log;
    std::vector<Transaction> committed;
    std::optional<LanePosition> position;
    std::uint64_t epoch = 0;
    /// Sent, and not decided before the next owner asks.
    std::optional<Transaction> open;
    /// How an open transaction is decided that nobody waits for.
    bool keeps_open = false;
    /// Topics that are not there.
    std::set<std::string> missing;
    /// Most bytes of a content, and most events of a chunk.
    std::size_t largest = 1'000'000;
    std::size_t most = 1'000'000;

    void apply() {
        for (const auto& record : open->records) log.push_back(record);
        position = open->position;
        committed.push_back(std::move(*open));
        open.reset();
    }

    Findings examine(const std::vector<MemoryTable::Row>& rows) const {
        Findings findings;
        std::map<std::string, int> times;
        for (const auto& row : rows) times[row.event.event.id] = 0;
        std::map<std::string, int> last;
        std::uint64_t lane_seq = 0;
        for (const auto& record : log) {
            const auto at = times.find(record.event.id);
            if (at == times.end()) {
                ++findings.phantom;
            } else if (++at->second > 1) {
                ++findings.twice;
            }
            const int n = std::stoi(record.event.event_type);
            if (n != last[record.event.aggregate_id] + 1) ++findings.out_of_order;
            last[record.event.aggregate_id] = n;
            if (record.lane_seq != ++lane_seq) ++findings.gaps;
        }
        std::uint64_t batch_seq = 0;
        for (const auto& chunk : committed) {
            if (chunk.position.batch_seq != ++batch_seq) ++findings.gaps;
        }
        for (const auto& [id, count] : times) findings.lost += count == 0;
        return findings;
    }

    std::vector<std::string> ids() const {
        std::vector<std::string> list;
        for (const auto& record : log) list.push_back(record.event.id);
        return list;
    }
    std::vector<std::string> topics() const {
        std::vector<std::string> list;
        for (const auto& record : log) list.push_back(record.event.topic);
        return list;
    }
};

/// One owner of a @ref MemoryLane.
class MemorySink final : public LaneSink {
public:
    MemorySink(MemoryLane& lane, Script& script) : lane_(lane), script_(script) {}

    net::awaitable<Result<std::optional<LanePosition>>> take_over() override {
        script_.calls.emplace_back("take_over");
        ready_ = false;
        co_await hop();
        if (const auto failure = script_.fault(Step::take_over)) co_return *failure;
        epoch_ = ++lane_.epoch;
        if (lane_.open) {
            if (lane_.keeps_open) {
                lane_.apply();
            } else {
                lane_.open.reset();
            }
        }
        co_await hop();
        if (epoch_ != lane_.epoch) co_return fail(Errc::fenced);
        ready_ = true;
        co_return lane_.position;
    }

    net::awaitable<Result<void>> commit(
        std::span<const WindowEvent> events, const LanePosition& next
    ) override {
        script_.calls.push_back("commit " + std::to_string(events.size()));
        refusals_.clear();
        if (!std::exchange(ready_, false)) {
            ++commits_unready;
            co_return fail(Errc::invalid_request, "the lane must be taken over first");
        }
        if (next.lane_seq !=
                (lane_.position ? lane_.position->lane_seq : 0) + events.size() &&
            epoch_ == lane_.epoch) {
            co_return fail(Errc::invalid_request, "lane_seq");
        }
        co_await hop();
        if (const auto failure = script_.fault(Step::begin)) co_return *failure;
        if (const auto failure = refuse(events)) co_return *failure;
        if (epoch_ != lane_.epoch) co_return fail(Errc::fenced);
        MemoryLane::Transaction sent{{}, next, epoch_};
        for (std::size_t i = 0; i < events.size(); ++i) {
            sent.records.push_back(
                {events[i].event, next.lane_seq - events.size() + 1 + i}
            );
        }
        co_await hop();
        if (epoch_ != lane_.epoch) co_return fail(Errc::fenced);
        if (const auto failure = script_.fault(Step::send)) co_return *failure;
        lane_.open = std::move(sent);
        co_await hop();
        // From here on the transaction is decided, by this owner or the next.
        if (epoch_ != lane_.epoch) co_return fail(Errc::fenced);
        if (const auto failure = script_.fault(Step::decide)) co_return *failure;
        lane_.apply();
        co_await hop();
        if (const auto failure = script_.fault(Step::answer)) co_return *failure;
        ready_ = true;
        script_.calls.emplace_back("commit done");
        co_return Result<void>{};
    }

    std::vector<LaneRefusal> refusals() const override { return refusals_; }
    TimePoint ready_at() const override { return rested; }
    std::uint64_t put_offs() const override { return late; }

    int commits_unready = 0;
    /// What @ref ready_at tells.
    TimePoint rested{};
    /// What @ref put_offs tells.
    std::uint64_t late = 0;

private:
    std::optional<Failure> refuse(std::span<const WindowEvent> events) {
        for (std::size_t i = 0; i < events.size(); ++i) {
            const auto& [event, seq, defect] = events[i];
            if (!defect.empty()) {
                refusals_.push_back({i, fail(Errc::invalid_request, defect)});
            } else if (lane_.missing.contains(event.topic)) {
                refusals_.push_back({i, fail(Errc::bad_destination, event.topic)});
            } else if (event.event_data.size() > lane_.largest) {
                refusals_.push_back({i, fail(Errc::too_large, event.id)});
            }
        }
        if (!refusals_.empty()) return refusals_.front().failure;
        if (events.size() > lane_.most) return fail(Errc::too_large, "the chunk");
        return std::nullopt;
    }

    MemoryLane& lane_;
    Script& script_;
    std::uint64_t epoch_ = 0;
    bool ready_ = false;
    std::vector<LaneRefusal> refusals_;
};

}  // namespace lane_world

#endif
