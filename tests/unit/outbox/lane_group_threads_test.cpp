// SPDX-License-Identifier: MIT
#include "unit/outbox/lane_crew.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <vector>

using namespace lane_crew;

// What is shared here is deliberately unprotected: a sanitizer of threads tells whether
// the group calls its parts one at a time.
TEST_CASE("a group on many threads is woken, asked and stopped by any of them") {
    for (int turn = 0; turn < 20; ++turn) {
        Outbox outbox{1};
        outbox.write(10);
        MemoryOwnership ownership{outbox.locks, 1, 1};
        Script script;
        std::uint64_t told = 0;
        net::thread_pool pool{4};
        LaneGroup group{
            pool.get_executor(),
            ownership,
            [&](int lane) {
                LaneParts parts;
                parts.source = std::make_unique<MemorySource>(outbox.table, script);
                parts.sink = std::make_unique<MemorySink>(
                    outbox.lanes[static_cast<std::size_t>(lane)], script
                );
                return parts;
            },
            {.lanes = 1, .look_interval = 10ms, .seed = 1},
            [&](const LaneGroupSnapshot&) { ++told; }};
        auto ended = net::co_spawn(pool, group.run(), net::use_future);
        std::vector<std::jthread> others;
        for (int i = 0; i < 2; ++i) {
            others.emplace_back([&] {
                for (int j = 0; j < 100 * turn; ++j) {
                    group.wake();
                    (void)group.snapshot();
                    std::this_thread::yield();
                }
            });
        }
        others.clear();
        group.stop();
        ended.get();
        CHECK(outbox.lanes[0].log.size() <= 10);
        CHECK(outbox.locks.holders.empty());
        CHECK(told < 100);
    }
}
