// SPDX-License-Identifier: MIT
#include <resilience/worker_pool.hpp>

#include <resilience/testing/manual_clock.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "unit/core/worker_pool_world.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// A pool of one worker who stands in the way, and of one task that waits.
struct FullPool {
    explicit FullPool(WorkerPoolOptions options = {})
        : pool{[&] {
              options.threads = 1;
              options.capacity = 1;
              return options;
          }()} {
        block.hold(pool);
        REQUIRE(pool.try_submit(Noting{&journal, 0}));
    }
    ~FullPool() { block.go(); }

    Journal journal;
    Roadblock block;
    WorkerPool<> pool;
};

template <class Pool>
void until_waiting(const Pool& pool, std::size_t waiting) {
    while (pool.snapshot().waiting < waiting) std::this_thread::yield();
}

}  // namespace

TEST_CASE(
    "WorkerPool: submit_wait is refused on a worker of the same pool (folly's deadlock)"
) {
    WorkerPool one{{.threads = 1, .capacity = 1}};
    WorkerPool other{{.threads = 1, .capacity = 1}};
    std::error_code own;
    bool foreign = false;
    REQUIRE(one.submit_wait([&] {
        own = one.submit_wait([] {}).error();
        foreign = other.submit_wait([] {}).has_value();
    }));
    CHECK(finish(one).clean());
    CHECK(own == code(Errc::invalid_request));
    CHECK(foreign);
    CHECK(finish(other).clean());
}

TEST_CASE("WorkerPool: a submitter that waits gets the first free place, before newcomers"
) {
    Journal journal;
    WorkerPool pool{{.threads = 1, .capacity = 1}};
    Roadblock block;
    block.hold(pool);
    REQUIRE(pool.try_submit(Noting{&journal, 0}));
    std::vector<std::thread> threads;
    for (int i = 1; i <= 3; ++i) {
        threads.emplace_back([&, i] { CHECK(pool.submit_wait(Noting{&journal, i})); });
        until_waiting(pool, i);
    }
    CHECK(pool.try_submit(Noting{&journal, 9}).error() == code(Errc::queue_full));
    // Another priority has room of its own.
    CHECK(pool.submit_wait(Noting{&journal, 4}, {.priority = Priority::low}));
    block.go();
    for (std::thread& t : threads) t.join();
    CHECK(finish(pool).clean());
    CHECK(journal.text() == "0 1 2 3 4");
}

TEST_CASE("WorkerPool: a wait for space ends by stop, by time, by deadline, by closing") {
    FullPool full{{.max_wait = 1ms}};
    auto& pool = full.pool;
    SUBCASE("stop before the wait") {
        std::stop_source stop;
        stop.request_stop();
        auto task = [owned = std::make_unique<int>(1)] { static_cast<void>(owned); };
        const auto answer = pool.submit_wait(std::move(task), {}, stop.get_token());
        CHECK(answer.error() == code(Errc::cancelled));
        CHECK(Task{std::move(task)});
    }
    SUBCASE("max_wait") {
        CHECK(pool.submit_wait([] {}).error() == code(Errc::timed_out));
    }
    SUBCASE("a deadline that has passed") {
        FullPool patient{{.max_wait = 1h}};
        const TaskOptions late{.deadline = TimePoint::min()};
        CHECK(patient.pool.submit_wait([] {}, late).error() == code(Errc::timed_out));
        CHECK(pool.submit_wait([] {}, late).error() == code(Errc::timed_out));
    }
    SUBCASE("a deadline that comes before the longest wait ends") {
        FullPool patient{{.max_wait = 1h}};
        const TaskOptions soon{.deadline = Clock::now() + 1ms};
        CHECK(patient.pool.submit_wait([] {}, soon).error() == code(Errc::timed_out));
        CHECK(pool.submit_wait([] {}, soon).error() == code(Errc::timed_out));
    }
    CHECK(pool.snapshot().refused == 1);
    CHECK(pool.snapshot().waiting == 0);
}

TEST_CASE("WorkerPool: stop and closing reach a submitter that waits already") {
    FullPool full;
    auto& pool = full.pool;
    std::stop_source stop;
    std::error_code why;
    std::thread submitter{[&] {
        why = pool.submit_wait(Noting{&full.journal, 1}, {}, stop.get_token()).error();
    }};
    until_waiting(pool, 1);
    SUBCASE("stop") {
        stop.request_stop();
        submitter.join();
        CHECK(why == code(Errc::cancelled));
    }
    SUBCASE("closing") {
        std::thread drainer{[&] { CHECK(finish(pool).clean()); }};
        submitter.join();
        CHECK(why == code(Errc::closed));
        full.block.go();
        drainer.join();
        CHECK(full.journal.text() == "0");
        return;
    }
}

TEST_CASE("WorkerPool: no more submitters wait than max_waiting says") {
    FullPool full{{.max_waiting = 0}};
    CHECK(full.pool.submit_wait([] {}).error() == code(Errc::queue_full));
}
