// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_RELAY_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_RELAY_WORLD_HPP

#include <resilience/relay.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace relay_world {

using namespace resilience;
using namespace std::chrono_literals;

inline ClaimedEvent claimed(
    std::int64_t seq, std::int32_t retry_count = 0, std::int32_t max_retries = 3
) {
    return {
        .event =
            {.id = std::to_string(seq),
             .aggregate_type = "user",
             .aggregate_id = "7",
             .event_type = "user.created",
             .max_retries = max_retries},
        .seq = seq,
        .retry_count = retry_count};
}

// A source whose rows and faults the test writes down beforehand.
struct ScriptedSource : ClaimSource {
    std::deque<ClaimedEvent> rows;
    std::deque<Failure> claim_failures;
    std::deque<Failure> settle_failures;
    // What each sweep and each look at the depth fail of.
    std::optional<Failure> sweep_failure;
    std::vector<std::size_t> limits;
    std::vector<Settlement> settled;
    int stale_sweeps = 0;
    // Rows claimed and not settled, and sweeps while there were any.
    std::size_t held = 0;
    int sweeps_while_held = 0;
    std::function<void()> on_empty = [] {};
    std::function<void()> on_settle = [] {};

    net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t limit) override {
        limits.push_back(limit);
        if (!claim_failures.empty()) co_return take(claim_failures);
        std::vector<ClaimedEvent> batch;
        while (!rows.empty() && batch.size() < limit) {
            batch.push_back(std::move(rows.front()));
            rows.pop_front();
        }
        if (batch.empty()) on_empty();
        held += batch.size();
        co_return batch;
    }
    net::awaitable<Result<void>> settle(std::vector<Settlement> settlements) override {
        on_settle();
        if (!settle_failures.empty()) co_return take(settle_failures);
        held -= settlements.size();
        settled.insert(settled.end(), settlements.begin(), settlements.end());
        co_return Result<void>{};
    }
    net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds) override {
        ++stale_sweeps;
        if (held > 0) ++sweeps_while_held;
        if (sweep_failure) co_return *sweep_failure;
        co_return std::int64_t{2};
    }
    net::awaitable<Result<Depth>> depth() override {
        if (sweep_failure) co_return *sweep_failure;
        co_return Depth{.events = 9, .oldest = 5ms};
    }
    net::awaitable<Result<Probe>> probe() override { co_return Probe{}; }
    void leave_out(std::vector<std::int64_t>) override {}
    net::awaitable<Result<void>> give_up(std::int64_t, std::string) override {
        co_return Result<void>{};
    }

private:
    static Failure take(std::deque<Failure>& from) {
        auto failure = std::move(from.front());
        from.pop_front();
        return failure;
    }
};

struct ScriptedSink : EventSink {
    std::map<std::int64_t, std::deque<Failure>> failures;
    std::vector<std::int64_t> delivered;
    int calls = 0;

    net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent> events
    ) override {
        ++calls;
        std::vector<Result<void>> results;
        for (const auto& event : events) {
            auto& script = failures[event.seq];
            if (script.empty()) {
                delivered.push_back(event.seq);
                results.emplace_back();
            } else {
                results.emplace_back(std::move(script.front()));
                script.pop_front();
            }
        }
        co_return results;
    }
};

struct World {
    net::io_context io;
    ScriptedSource source;
    ScriptedSink sink;
    std::optional<Relay> relay;
    // What each look at a paused relay told.
    std::vector<TimePoint> paused_since;

    explicit World(RelayOptions options = {}) {
        options.seed = 1;
        options.pause = {.base = 1ns, .cap = 1ns};
        const auto note = [this](const RelaySnapshot& now) {
            if (now.paused) paused_since.push_back(now.paused_since);
        };
        relay.emplace(io.get_executor(), source, sink, options, note);
        source.on_empty = [this] { relay->stop(); };
    }
    // Runs until the source is empty, which stops the relay.
    RelaySnapshot run() {
        net::co_spawn(io, relay->run(), net::detached);
        io.run();
        return relay->snapshot();
    }
};

}  // namespace relay_world

#endif
