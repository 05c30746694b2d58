// SPDX-License-Identifier: MIT
#include "unit/outbox/memory_lane.hpp"

#include <resilience/lane_relay.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

using namespace lane_world;

// What is shared here is deliberately unprotected: a sanitizer of threads tells whether
// the relay calls its parts one at a time.
namespace {

struct Threads {
    MemoryTable table;
    MemoryLane lane;
    Script script;
    MemorySource source{table, script};
    MemorySink sink{lane, script};
    std::uint64_t observed = 0;
    net::thread_pool pool{4};
    LaneRelay relay{
        pool.get_executor(),
        source,
        sink,
        {.chunk_rows = 2, .poll_interval = std::chrono::hours{1}, .seed = 1},
        {.changed = [this](const LaneRelaySnapshot& now) { observed = now.events; }}};

    explicit Threads(int events) {
        for (int i = 0; i < events; ++i) table.insert({{.key = i}, {.key = i}});
    }
};

}  // namespace

TEST_CASE("a lane on many threads is woken, asked and stopped by any of them") {
    constexpr int events = 200;
    Threads world{events};
    auto ended = net::co_spawn(world.pool, world.relay.run(), net::use_future);
    std::vector<std::jthread> others;
    for (int i = 0; i < 2; ++i) {
        others.emplace_back([&world] {
            while (world.relay.snapshot().events < 2 * events) {
                world.relay.wake();
                std::this_thread::yield();
            }
        });
    }
    others.clear();
    world.relay.stop();
    CHECK(ended.get().has_value());
    CHECK(world.observed == world.relay.snapshot().events);
    CHECK(world.lane.examine(world.table.committed(0)).clean());
}

TEST_CASE("a stop of a lane is never lost, wherever it is") {
    for (int turn = 0; turn < 50; ++turn) {
        Threads world{2};
        auto ended = net::co_spawn(world.pool, world.relay.run(), net::use_future);
        for (int i = 0; i < turn; ++i) world.relay.wake();
        // Nothing else ends it.
        world.relay.stop();
        CHECK(ended.get().has_value());
        CHECK(world.relay.snapshot().state == LaneState::stopped);
    }
}
