// SPDX-License-Identifier: MIT
#include <resilience/relay.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

// What is shared here is deliberately unprotected: a sanitizer of threads tells whether
// the relay calls its parts one at a time.
namespace {

struct BusySource : ClaimSource {
    std::int64_t claims = 0;
    std::int64_t settles = 0;

    // Every second claim finds nothing.
    net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t) override {
        std::vector<ClaimedEvent> events;
        if (++claims % 2 == 0) {
            events.push_back(
                {.event =
                     {.id = "1",
                      .aggregate_type = "user",
                      .aggregate_id = "7",
                      .event_type = "user.created"},
                 .seq = claims}
            );
        }
        co_return events;
    }
    net::awaitable<Result<void>> settle(std::vector<Settlement>) override {
        ++settles;
        co_return Result<void>{};
    }
    net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds) override {
        co_return std::int64_t{0};
    }
    net::awaitable<Result<Depth>> depth() override { co_return Depth{}; }
    net::awaitable<Result<Probe>> probe() override { co_return Probe{}; }
    void leave_out(std::vector<std::int64_t>) override {}
    net::awaitable<Result<void>> give_up(std::int64_t, std::string) override {
        co_return Result<void>{};
    }
};

struct OpenSink : EventSink {
    net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent> events
    ) override {
        co_return std::vector<Result<void>>(events.size());
    }
};

struct Threads {
    BusySource source;
    OpenSink sink;
    std::uint64_t observed = 0;
    net::thread_pool pool{4};
    Relay relay{
        pool.get_executor(),
        source,
        sink,
        {.poll_interval = std::chrono::hours{1}, .seed = 1},
        [this](const RelaySnapshot& now) { observed = now.sent; }};
};

}  // namespace

TEST_CASE("a relay on many threads is woken, asked and stopped by any of them") {
    Threads world;
    auto ended = net::co_spawn(world.pool, world.relay.run(), net::use_future);
    std::vector<std::jthread> others;
    for (int i = 0; i < 2; ++i) {
        others.emplace_back([&world] {
            for (int j = 0; j < 500; ++j) {
                world.relay.wake();
                (void)world.relay.snapshot();
                std::this_thread::yield();
            }
        });
    }
    others.clear();
    world.relay.stop();
    ended.get();
    CHECK(world.observed == world.relay.snapshot().sent);
}

TEST_CASE("a stop is never lost, wherever the relay is") {
    for (int turn = 0; turn < 50; ++turn) {
        Threads world;
        auto ended = net::co_spawn(world.pool, world.relay.run(), net::use_future);
        for (int i = 0; i < turn; ++i) world.relay.wake();
        // Nothing else ends it.
        world.relay.stop();
        ended.get();
        CHECK(world.observed == world.relay.snapshot().sent);
    }
}

TEST_CASE("one batch alone is delivered on the strand of the relay too") {
    Threads world;
    std::size_t claimed = 0;
    for (int i = 0; i < 100; ++i) {
        world.relay.wake();
        auto done = net::co_spawn(world.pool, world.relay.run_once(), net::use_future);
        claimed += done.get().value();
    }
    CHECK(claimed == world.relay.snapshot().sent);
}
