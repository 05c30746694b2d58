// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_LANE_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_LANE_WORLD_HPP

#include "unit/outbox/memory_lane.hpp"

#include <resilience/lane_relay.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lane_world {

using namespace std::chrono_literals;
using testing::VirtualTime;

/// One instance that runs a lane, in a time of its own. Destroying it is its crash.
class Instance {
public:
    Instance(
        MemoryTable& table, MemoryLane& lane, Script& script, LaneRelayOptions options
    )
        : source_(table, script), sink_(lane, script) {
        options.seed = 1;
        const LaneRelayObserver observer{
            .changed = [this](const LaneRelaySnapshot& now) { states.push_back(now); },
            .committed = [this](const CommittedChunk& chunk) { told.push_back(chunk); }};
        relay_.emplace(context_->get_executor(), source_, sink_, options, observer);
        start();
    }
    ~Instance() {
        relay_.reset();
        context_.reset();
    }
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    void start() {
        ended.reset();
        net::co_spawn(
            *context_,
            relay_->run(),
            [this](std::exception_ptr error, Result<void> result) {
                if (error) std::rethrow_exception(error);
                ended = std::move(result);
            }
        );
    }

    VirtualTime& time() { return time_; }
    LaneRelay& relay() { return *relay_; }
    MemorySource& source() { return source_; }
    MemorySink& sink() { return sink_; }
    LaneRelaySnapshot snapshot() const { return relay_->snapshot(); }

    /// What `run` completed with, if it did.
    std::optional<Result<void>> ended;
    std::vector<LaneRelaySnapshot> states;
    std::vector<CommittedChunk> told;

private:
    std::optional<net::io_context> context_{std::in_place};
    VirtualTime time_{*context_};
    MemorySource source_;
    MemorySink sink_;
    std::optional<LaneRelay> relay_;
};

/// A table, a lane, and one instance between them.
struct World {
    MemoryTable table;
    MemoryLane lane;
    Script script;
    LaneRelayOptions options{.pause = {.base = 1ms, .cap = 1s, .jitter = Jitter::none}};
    std::unique_ptr<Instance> instance;

    Instance& start() {
        instance.reset();
        instance = std::make_unique<Instance>(table, lane, script, options);
        return *instance;
    }
    /// Starts an instance and lets it work for a while.
    Instance& run(std::chrono::nanoseconds span = 100ms) {
        start().time().run_for(span);
        return *instance;
    }
    void run_on(std::chrono::nanoseconds span = 100ms) { instance->time().run_for(span); }

    /// Starts an instance and lets it work until all is delivered, and somewhat longer.
    void drain() {
        start();
        const auto all = table.committed(options.lane).size();
        for (int n = 0; n < 50'000 && lane.log.size() < all; ++n) {
            instance->time().step();
        }
        run_on(10ms);
    }

    /// The given steps fail so, in turn; the others succeed.
    void fail_at(Step step, std::vector<Failure> failures) {
        auto left = std::make_shared<std::vector<Failure>>(std::move(failures));
        script.fault = [step, left](Step at) -> std::optional<Failure> {
            if (at != step || left->empty()) return std::nullopt;
            auto failure = left->front();
            left->erase(left->begin());
            return failure;
        };
    }

    Findings findings(int lane_number = 0) const {
        return lane.examine(table.committed(lane_number));
    }
};

}  // namespace lane_world

#endif
