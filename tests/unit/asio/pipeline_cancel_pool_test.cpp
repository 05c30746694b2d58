// SPDX-License-Identifier: MIT
// Policies around a task that waits for space in a pool, or for its turn, struck at each
// suspension: by each type of cancellation and by the destruction of the io_context.
#include <resilience/asio/worker_pool.hpp>
#include <unit/asio/cancel_policies.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <optional>

#include "unit/core/worker_pool_world.hpp"

using namespace resilience;
using namespace std::chrono_literals;
using testing::Blow;
using Policies = CancelPolicies;

namespace {

/// A pool whose one worker is busy until it is told to go on, and whose queue has one
/// place, taken or not.
struct BusyPool {
    explicit BusyPool(bool full) {
        block.hold(pool);
        if (full) REQUIRE(pool.try_submit([] {}));
    }
    ~BusyPool() { block.go(); }

    testing::Roadblock block;
    std::atomic<int> ran{0};
    WorkerPool<> pool{{.threads = 1, .capacity = 1, .max_waiting = 8}};
};

/// Strikes a submission under the policies that `make` puts around it; or an attempt that
/// fails, and then a submission.
template <class Make>
void strike_submission(Make make, bool fails_first = false) {
    for (const bool full : {false, true}) {
        CAPTURE(full);
        std::optional<BusyPool> busy;
        const auto fresh = [&](Policies& p) {
            busy.emplace(full);
            return make(p);
        };
        const auto begin = [&](Policies& p,
                               CallContext& context) -> net::awaitable<Result<int>> {
            if (fails_first && context.attempt == 1) {
                Result<int> failed = co_await p.operation();
                co_return failed;
            }
            ++p.submitted;
            auto task = [ran = &busy->ran] { return ++*ran; };
            auto submission = async_submit(busy->pool, std::move(task));
            Result<int> result = co_await std::move(submission);
            co_return result;
        };
        strike_everywhere(fresh, begin, [&](const testing::CancelledRun& run) {
            const bool cancelled = run.blow != Blow::none && run.blow != Blow::destroy;
            busy->block.go();
            std::latch next{1};
            CHECK(busy->pool.submit_wait([&next] { next.count_down(); }));
            next.wait();
            CHECK(testing::finish(busy->pool).clean());
            if (cancelled) CHECK(busy->ran == 0);
            const WorkerPoolSnapshot left = busy->pool.snapshot();
            CHECK(left.queue_size == 0);
            CHECK(left.waiting == 0);
            CHECK(left.processing == 0);
        });
    }
}

}  // namespace

TEST_CASE(
    "cancelled anywhere, a submission to a pool and a wait or an attempt leave "
    "nothing"
) {
    strike_submission([](Policies& p) { return Pipeline{p.bucket}; });
    strike_submission([](Policies&) { return Pipeline{Deadline{1s}}; });
    strike_submission([](Policies&) { return Pipeline{Policies::attempt_timeout()}; });
    strike_submission(
        [](Policies& p) {
            return Pipeline{NoDeadline{}, p.three_attempts()};
        },
        true
    );
    strike_submission([](Policies& p) { return Pipeline{p.hedge}; });
    strike_submission([](Policies& p) { return Pipeline{p.fallback, Deadline{1s}}; });
}

TEST_CASE("cancelled anywhere, a submission to a pool and a guard leave nothing") {
    strike_submission([](Policies& p) { return Pipeline{p.throttle}; });
    strike_submission([](Policies& p) { return Pipeline{p.breaker}; });
    strike_submission([](Policies& p) { return Pipeline{p.bulkhead}; });
    strike_submission([](Policies& p) { return Pipeline{p.limit}; });
    strike_submission([](Policies& p) { return Pipeline{p.chaos}; });
}
