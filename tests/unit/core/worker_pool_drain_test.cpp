// SPDX-License-Identifier: MIT
#include <resilience/worker_pool.hpp>

#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <new>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "unit/core/worker_pool_world.hpp"

RESILIENCE_COUNT_ALLOCATIONS;

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// Runs until it is asked to stop.
struct UntilStopped {
    std::latch* started;

    void operator()(const TaskContext& c) const {
        std::latch stopped{1};
        const std::stop_callback on_stop{c.stop, [&] { stopped.count_down(); }};
        started->count_down();
        stopped.wait();
    }
};

const WorkerPoolOptions kOne{.threads = 1, .capacity = 100};

}  // namespace

TEST_CASE("I12: a drain of an idle pool is clean, and so is a second one") {
    WorkerPool pool{{.threads = 4}};
    CHECK(finish(pool).clean());
    const DrainReport again = pool.drain(TimePoint::min());
    CHECK(again.clean());
    CHECK(again.completed == 0);
    CHECK(pool.try_submit([] {}).error() == code(Errc::closed));
    CHECK(pool.submit_wait([] {}).error() == code(Errc::closed));
}

TEST_CASE("I12: before its deadline a drain lets the queue run out") {
    Journal journal;
    WorkerPool pool{kOne};
    Roadblock block;
    block.hold(pool);
    for (int i = 0; i < 3; ++i) REQUIRE(pool.try_submit(Noting{&journal, i}));
    DrainReport report;
    std::thread drainer{[&] { report = finish(pool); }};
    until_closed(pool);
    block.go();
    drainer.join();
    CHECK(report.clean());
    CHECK(report.completed == 4);  // and the roadblock
    CHECK(journal.text() == "0 1 2");
    CHECK(pool.snapshot().completed == 4);
    CHECK(pool.snapshot().unstarted == 0);
}

TEST_CASE("I12: after its deadline a drain stops what runs and hands back the rest") {
    Journal journal;
    WorkerPool pool{{.threads = 1, .capacity = 100, .stop_grace = 1h}};
    std::latch started{1};
    REQUIRE(pool.try_submit(UntilStopped{&started}));
    started.wait();
    REQUIRE(pool.try_submit(
        Noting{&journal, 1}, {.priority = Priority::low, .correlation_id = "a"}
    ));
    REQUIRE(pool.try_submit(Noting{&journal, 2}, {.deadline = TimePoint::min()}));
    REQUIRE(pool.try_submit(Noting{&journal, 3}, {.correlation_id = "c"}));
    REQUIRE(pool.try_submit(Noting{&journal, 4}, {.priority = Priority::high}));
    DrainReport report = pool.drain(TimePoint::min());
    CHECK_FALSE(report.clean());
    CHECK(report.completed == 0);
    CHECK(report.cancelled == 1);
    CHECK(report.running == 0);
    CHECK(journal.text() == "");
    REQUIRE(report.unstarted.size() == 4);
    CHECK(report.unstarted[2].correlation_id() == "c");
    CHECK(report.unstarted[3].priority() == Priority::low);
    CHECK(pool.snapshot().unstarted == 4);
    CHECK(pool.snapshot().cancelled == 1);

    // They may be given to another pool, with what came with them.
    WorkerPool other{kOne};
    for (QueuedTask& task : report.unstarted) {
        CHECK(other.try_submit(std::move(task.task), task.options()));
    }
    CHECK(finish(other).clean());
    CHECK(other.snapshot().completed == 3);
    CHECK(other.snapshot().expired == 1);
}

TEST_CASE("I12: a handed-back task that nobody runs is told so") {
    Journal journal;
    WorkerPool pool{{.threads = 1, .capacity = 100, .stop_grace = 1h}};
    std::latch started{1};
    REQUIRE(pool.try_submit(UntilStopped{&started}));
    started.wait();
    REQUIRE(pool.try_submit(Noting{&journal, 1}));
    REQUIRE(pool.try_submit(Noting{&journal, 2}));
    CHECK(pool.drain(TimePoint::min()).unstarted.size() == 2);
    CHECK(journal.text() == "1:gone 2:gone");
}

TEST_CASE("I12: a task that does not stop is reported, and waited for by a second drain"
) {
    WorkerPool pool{{.threads = 1, .stop_grace = 0ns}};
    Roadblock block;
    block.hold(pool);
    const DrainReport report = pool.drain(TimePoint::min());
    CHECK(report.running == 1);
    CHECK_FALSE(report.clean());
    CHECK(pool.snapshot().processing == 1);
    block.go();
    const DrainReport second = finish(pool);
    CHECK(second.running == 0);
    CHECK(second.unstarted.empty());
    CHECK(pool.snapshot().cancelled == 1);
}

TEST_CASE("WorkerPool: a drain from a task is refused instead of waiting for itself") {
    WorkerPool pool{kOne};
    WorkerPool other{kOne};
    std::error_code own;
    bool foreign = false;
    std::latch ran{1};
    REQUIRE(pool.try_submit([&] {
        own = pool.drain(TimePoint::max()).refused;
        foreign = other.drain(TimePoint::max()).clean();
        ran.count_down();
    }));
    ran.wait();
    CHECK(own == code(Errc::invalid_request));
    CHECK(foreign);
    // Nothing was closed.
    CHECK(pool.try_submit([] {}));
    CHECK(finish(pool).clean());
}

TEST_CASE("WorkerPool: what a task throws after the stop is counted once") {
    WorkerPool pool{{.threads = 1, .stop_grace = 1h}};
    std::latch started{1};
    REQUIRE(pool.try_submit([&](const TaskContext& c) {
        UntilStopped{&started}(c);
        throw 1;
    }));
    started.wait();
    CHECK(pool.drain(TimePoint::min()).cancelled == 1);
    CHECK(pool.snapshot().threw == 1);
    CHECK(pool.snapshot().completed == 0);
}

TEST_CASE("WorkerPool: several drains at once share the work and all return") {
    WorkerPool pool{{.threads = 2, .capacity = 100, .stop_grace = 1h}};
    std::latch started{2};
    REQUIRE(pool.try_submit(UntilStopped{&started}));
    REQUIRE(pool.try_submit(UntilStopped{&started}));
    started.wait();
    for (int i = 0; i < 50; ++i) REQUIRE(pool.try_submit([] {}));
    std::atomic<std::size_t> unstarted{0};
    std::vector<std::thread> drainers;
    for (int i = 0; i < 3; ++i) {
        drainers.emplace_back([&] {
            unstarted += pool.drain(TimePoint::min()).unstarted.size();
        });
    }
    for (std::thread& t : drainers) t.join();
    CHECK(unstarted == 50);
    CHECK(pool.snapshot().unstarted == 50);
    CHECK(pool.snapshot().cancelled == 2);
}

TEST_CASE("WorkerPool: its destructor stops what runs and refuses what waits") {
    Journal journal;
    {
        WorkerPool pool{kOne};
        std::latch started{1};
        REQUIRE(pool.try_submit(UntilStopped{&started}));
        started.wait();
        REQUIRE(pool.try_submit(Noting{&journal, 1}));
        REQUIRE(pool.try_submit(Noting{&journal, 2}, {.priority = Priority::high}));
    }
    CHECK(journal.text() == "2:closed 1:closed");
}

TEST_CASE("WorkerPool: a construction that fails leaves no thread behind") {
    const auto failures = fail_each_allocation(
        [] { WorkerPool pool{{.threads = 3, .capacity = 4}}; }, [] {}
    );
    CHECK(failures > 3);
}

TEST_CASE("WorkerPool: a drain without memory for its report loses no task") {
    Journal journal;
    WorkerPool pool{{.threads = 1, .capacity = 10, .stop_grace = 1h}};
    std::latch started{1};
    REQUIRE(pool.try_submit(UntilStopped{&started}));
    started.wait();
    REQUIRE(pool.try_submit(Noting{&journal, 1}));
    {
        const FailingAllocation no_memory{0};
        CHECK_THROWS_AS(static_cast<void>(pool.drain(TimePoint::min())), std::bad_alloc);
    }
    CHECK(journal.text() == "");
    CHECK(pool.try_submit([] {}).error() == code(Errc::closed));
    CHECK(pool.drain(TimePoint::min()).unstarted.size() == 1);
}
