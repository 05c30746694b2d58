// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_LANE_CREW_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_LANE_CREW_HPP

#include "unit/outbox/memory_lane.hpp"

#include <resilience/lane_group.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lane_crew {

using namespace lane_world;
using namespace std::chrono_literals;
using testing::VirtualTime;

/// Who is a member and who holds which lane, by the members' own numbers.
struct MemoryLocks {
    std::map<int, int> holders;
    std::vector<int> members;
    std::vector<std::string> calls;

    void leave(int who) {
        std::erase(members, who);
        std::erase_if(holders, [who](const auto& held) { return held.second == who; });
    }
};

/// What one member knows of @ref MemoryLocks; keeps the contract of the interface.
class MemoryOwnership final : public LaneOwnership {
public:
    MemoryOwnership(MemoryLocks& locks, int who, int lanes)
        : locks_(locks), who_(who), lanes_(lanes) {}
    ~MemoryOwnership() override { locks_.leave(who_); }

    net::awaitable<Result<LaneCensus>> look() override {
        ++looks;
        co_await hop();
        if (failure) co_return lose(*failure);
        if (std::ranges::count(locks_.members, who_) == 0) locks_.members.push_back(who_);
        LaneCensus census{
            .members = static_cast<int>(locks_.members.size()), .held = {}, .free = {}};
        for (int lane = 0; lane < lanes_; ++lane) {
            const auto at = locks_.holders.find(lane);
            if (at == locks_.holders.end()) {
                census.free.push_back(lane);
            } else if (at->second == who_) {
                census.held.push_back(lane);
            }
        }
        co_return census;
    }

    net::awaitable<Result<bool>> take(int lane) override {
        before_take(lane);
        co_await hop();
        if (failure) co_return lose(*failure);
        co_return locks_.holders.emplace(lane, who_).second;
    }

    net::awaitable<Result<void>> give_up(int lane) override {
        before_give_up(lane);
        co_await hop();
        if (failure) co_return lose(*failure);
        locks_.holders.erase(lane);
        co_return Result<void>{};
    }

    void leave() override {
        before_leave();
        locks_.leave(who_);
    }

    /// What every operation fails of.
    std::optional<Failure> failure;
    std::function<void(int)> before_take = [](int) {};
    std::function<void(int)> before_give_up = [](int) {};
    std::function<void()> before_leave = [] {};
    int looks = 0;

private:
    Failure lose(Failure why) {
        locks_.leave(who_);
        return why;
    }

    MemoryLocks& locks_;
    int who_;
    int lanes_;
};

/// What all instances share.
struct Outbox {
    MemoryTable table;
    std::vector<MemoryLane> lanes;
    MemoryLocks locks;

    explicit Outbox(int count = 4) : lanes(static_cast<std::size_t>(count)) {}

    void write(int count) {
        for (int i = 0; i < count; ++i) {
            const int key = next_key_++;
            table.insert({{.lane = key % static_cast<int>(lanes.size()), .key = key}});
        }
    }
    std::size_t delivered() const {
        std::size_t sum = 0;
        for (const auto& lane : lanes) sum += lane.log.size();
        return sum;
    }
    std::size_t committed() const {
        std::size_t sum = 0;
        for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
            sum += table.committed(static_cast<int>(lane)).size();
        }
        return sum;
    }
    bool clean() const {
        bool clean = true;
        for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
            const auto rows = table.committed(static_cast<int>(lane));
            clean = clean && lanes[lane].examine(rows).clean();
        }
        return clean;
    }

private:
    int next_key_ = 0;
};

/// One instance, in a time of its own. Destroying it is its crash.
class Member {
public:
    Member(Outbox& outbox, int who, LaneGroupOptions options = {})
        : ownership(outbox.locks, who, static_cast<int>(outbox.lanes.size())),
          outbox_(outbox) {
        options.lanes = static_cast<int>(outbox.lanes.size());
        options.seed = static_cast<std::uint64_t>(who) + 1;
        group_.emplace(
            context_->get_executor(),
            ownership,
            [this](int lane) { return make(lane); },
            options,
            [this](const LaneGroupSnapshot& now) { told.push_back(now); }
        );
        net::co_spawn(
            *context_,
            group_->run(),
            net::bind_cancellation_slot(
                cancel.slot(),
                [this](std::exception_ptr thrown) {
                    error = thrown;
                    ended = true;
                }
            )
        );
    }
    ~Member() {
        group_.reset();
        context_.reset();
    }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    LaneGroup& group() { return *group_; }
    LaneGroupSnapshot snapshot() const { return group_->snapshot(); }
    VirtualTime& time() { return time_; }
    void run(std::chrono::nanoseconds span) { time_.run_for(span); }

    std::vector<int> owned() const {
        std::vector<int> list;
        const auto now = snapshot();
        for (std::size_t lane = 0; lane < now.lanes.size(); ++lane) {
            if (now.lanes[lane].owned) list.push_back(static_cast<int>(lane));
        }
        return list;
    }

    MemoryOwnership ownership;
    Script script;
    /// Called before the parts of a lane are made.
    std::function<void(int)> on_make = [](int) {};
    bool makes_nothing = false;
    net::cancellation_signal cancel;
    bool ended = false;
    std::exception_ptr error;
    std::vector<LaneGroupSnapshot> told;

private:
    LaneParts make(int lane) {
        on_make(lane);
        LaneParts parts;
        if (makes_nothing) return parts;
        parts.source = std::make_unique<MemorySource>(outbox_.table, script);
        parts.sink = std::make_unique<MemorySink>(
            outbox_.lanes[static_cast<std::size_t>(lane)], script
        );
        return parts;
    }

    Outbox& outbox_;
    std::optional<net::io_context> context_{std::in_place};
    VirtualTime time_{*context_};
    std::optional<LaneGroup> group_;
};

/// Lets instances live side by side.
template <class... Members>
void run_all(std::chrono::milliseconds span, Members&... members) {
    for (auto gone = 0ms; gone < span; gone += 5ms) (members.run(5ms), ...);
}

}  // namespace lane_crew

#endif
