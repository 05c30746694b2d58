// SPDX-License-Identifier: MIT
#include <resilience/worker_pool.hpp>

#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/manual_clock.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <latch>
#include <limits>
#include <stdexcept>
#include <string>

#include "unit/core/worker_pool_world.hpp"

RESILIENCE_COUNT_ALLOCATIONS;

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const WorkerPoolOptions kOne{.threads = 1, .capacity = 100};

auto manual(const ManualClock& clock) {
    return [&clock]() noexcept { return clock.now(); };
}

/// Notes what an observer is told.
struct Watch {
    Journal* journal;

    void on(const TaskThrew& e) noexcept {
        try {
            std::rethrow_exception(e.exception);
        } catch (const std::exception& x) {
            journal->note(
                "threw " + std::string{x.what()} + " in " + std::string{e.correlation_id}
            );
        } catch (...) {
            journal->note("threw");
        }
    }
    void on(const TaskGivenUp& e) noexcept {
        journal->note("given up: " + make_error_code(e.why).message());
    }
    void on(const TaskRefused& e) noexcept {
        journal->note("refused: " + make_error_code(e.why).message());
    }
    void on(const PoolDrained& e) noexcept {
        journal->note(e.report.clean() ? "drained" : "drained not");
    }
};

}  // namespace

TEST_CASE("WorkerPool: tasks of one priority start in the order of their submission") {
    Journal journal;
    WorkerPool pool{kOne};
    Roadblock block;
    block.hold(pool);
    for (int i = 0; i < 20; ++i) REQUIRE(pool.try_submit(Noting{&journal, i}));
    block.go();
    CHECK(finish(pool).clean());
    CHECK(journal.text() == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
}

TEST_CASE("WorkerPool: a higher priority goes first, and each lower one gets its turns") {
    Journal journal;
    WorkerPool pool{kOne};
    Roadblock block;
    block.hold(pool);  // takes turn 0
    for (int i = 0; i < 40; ++i) {
        REQUIRE(pool.try_submit(Noting{&journal, 3}, {.priority = Priority::low}));
        REQUIRE(pool.try_submit(Noting{&journal, 2}, {.priority = Priority::normal}));
        REQUIRE(pool.try_submit(Noting{&journal, 1}, {.priority = Priority::high}));
    }
    block.go();
    CHECK(finish(pool).clean());
    // Turns 3, 7 and 11 of sixteen are the normal priority's, turn 15 the low one's.
    CHECK(
        journal.text().substr(0, 63) ==
        "1 1 2 1 1 1 2 1 1 1 2 1 1 1 3 1 1 1 2 1 1 1 2 1 1 1 2 1 1 1 3 1"
    );
}

TEST_CASE("WorkerPool: a task is not started at its deadline or later (scylladb#7340)") {
    Journal journal;
    ManualClock clock;
    WorkerPool pool{kOne, NoObserver{}, manual(clock)};
    Roadblock block;
    block.hold(pool);
    const TimePoint start = clock.now();
    REQUIRE(pool.try_submit(Noting{&journal, 0}, {.deadline = start + 1s}));
    REQUIRE(pool.try_submit(Noting{&journal, 1}, {.deadline = start + 1s + 1ns}));
    REQUIRE(pool.try_submit(Noting{&journal, 2}, {.deadline = TimePoint::min()}));
    REQUIRE(pool.try_submit(Noting{&journal, 3}));
    clock.advance(1s);
    block.go();
    const DrainReport report = finish(pool);
    CHECK(report.clean());
    CHECK(report.completed == 3);
    CHECK(report.expired == 2);
    CHECK(journal.text() == "0:late 1 2:late 3");
    CHECK(pool.snapshot().expired == 2);
}

TEST_CASE("WorkerPool: a task that throws is told of and kills no worker") {
    Journal journal;
    {
        WorkerPool pool{kOne, Watch{&journal}};
        Roadblock block;
        block.hold(pool);
        REQUIRE(pool.try_submit(
            [] { throw std::runtime_error{"oops"}; }, {.correlation_id = "order-7"}
        ));
        REQUIRE(pool.try_submit([] { throw 7; }));
        REQUIRE(pool.try_submit(Noting{&journal, 1}, {.deadline = TimePoint::min()}));
        REQUIRE(pool.try_submit(Noting{&journal, 2}));
        block.go();
        CHECK(finish(pool).clean());
        CHECK(pool.snapshot().threw == 2);
        CHECK(pool.snapshot().completed == 4);
        CHECK(pool.try_submit([] {}).error() == code(Errc::closed));
    }
    CHECK(
        journal.text() ==
        "threw oops in order-7 threw "
        "given up: the deadline passed before anything was done 1:late 2 "
        "drained refused: the object is closed"
    );
}

TEST_CASE("I6: worker id and correlation id are visible to the task") {
    WorkerPool pool{{.threads = 3, .capacity = 10}};
    std::latch all{3};
    std::array<std::atomic<int>, 3> seen{};
    const std::string long_id(100, 'x');
    for (int i = 0; i < 3; ++i) {
        REQUIRE(pool.try_submit(
            [&](const TaskContext& c) {
                ++seen.at(c.worker);
                CHECK(c.correlation_id == "0af7651916cd43dd8448eb211c80319c");
                CHECK(c.priority == Priority::low);
                CHECK(c.deadline == TimePoint::max());
                CHECK_FALSE(c.stop.stop_requested());
                all.arrive_and_wait();  // so each takes one
            },
            {.priority = Priority::low,
             .correlation_id = "0af7651916cd43dd8448eb211c80319c"}
        ));
    }
    std::string kept;
    REQUIRE(pool.try_submit(
        [&](const TaskContext& c) { kept = c.correlation_id; },
        {.correlation_id = long_id}
    ));
    CHECK(finish(pool).clean());
    for (const auto& count : seen) CHECK(count == 1);
    CHECK(kept == long_id.substr(0, QueuedTask::id_capacity));
}

TEST_CASE("WorkerPool: tasks may submit tasks, from every worker at once") {
    WorkerPool pool{{.threads = 2, .capacity = 4000}};
    std::atomic<int> ran{0};
    std::latch done{1};
    struct Grow {
        WorkerPool<>* pool;
        std::atomic<int>* ran;
        std::latch* done;
        int depth;
        void operator()() const {
            if (depth > 0) {
                for (int i = 0; i < 2; ++i) {
                    CHECK(pool->try_submit(Grow{pool, ran, done, depth - 1}));
                }
            }
            if (++*ran == 1023) done->count_down();
        }
    };
    REQUIRE(pool.try_submit(Grow{&pool, &ran, &done, 9}));
    done.wait();
    CHECK(finish(pool).clean());
    CHECK(ran == 1023);
}

TEST_CASE("WorkerPool: a submission allocates nothing, taken or refused") {
    WorkerPool pool{{.threads = 1, .capacity = 2}};
    Roadblock block;
    block.hold(pool);
    struct Large {
        std::array<std::uint64_t, 6> words{};
        void operator()() const {}
    };
    static_assert(sizeof(Large) == Task::capacity);
    AllocationCounter counter;
    const bool first = pool.try_submit(
                               Large{},
                               {.deadline = TimePoint::max() - 1ns,
                                .correlation_id = "request-0123456789"}
    )
                           .has_value();
    const bool second = pool.try_submit([] {}).has_value();
    const bool third = pool.try_submit([] {}).has_value();
    const bool fourth =
        pool.submit_wait([] {}, {.deadline = TimePoint::min()}).has_value();
    const bool low = pool.submit_wait([] {}, {.priority = Priority::low}).has_value();
    const std::uint64_t made = counter.made();
    CHECK(made == 0);
    CHECK((first && second && !third && !fourth && low));
    block.go();
    std::uint64_t on_worker = 1;
    REQUIRE(pool.submit_wait([&] {
        AllocationCounter inner;
        static_cast<void>(pool.try_submit([] {}));
        on_worker = inner.made();
    }));
    CHECK(finish(pool).clean());
    CHECK(on_worker == 0);
}

TEST_CASE("WorkerPool: options out of range are named") {
    const auto refused = [](const WorkerPoolOptions& options, const char* field) {
        try {
            WorkerPool pool{options};
        } catch (const std::invalid_argument& e) {
            return std::string{e.what()}.find(field) == 0;
        }
        return false;
    };
    constexpr auto huge = std::numeric_limits<std::size_t>::max();
    CHECK(refused({.threads = 0}, "WorkerPoolOptions::threads"));
    CHECK(refused({.threads = 1025}, "WorkerPoolOptions::threads"));
    CHECK(refused({.capacity = 0}, "WorkerPoolOptions::capacity"));
    CHECK(refused({.capacity = huge}, "WorkerPoolOptions::capacity"));
    CHECK(refused({.overflow = static_cast<Overflow>(9)}, "WorkerPoolOptions::overflow"));
    CHECK(refused({.max_waiting = huge}, "WorkerPoolOptions::max_waiting"));
    CHECK(refused({.max_wait = 0ns}, "WorkerPoolOptions::max_wait"));
    CHECK(refused({.max_wait = -1ns}, "WorkerPoolOptions::max_wait"));
    CHECK(refused({.stop_grace = -1ns}, "WorkerPoolOptions::stop_grace"));
    CHECK(refused({.spin = -1ns}, "WorkerPoolOptions::spin"));
    CHECK(refused({.spin = 11ms}, "WorkerPoolOptions::spin"));
}

TEST_CASE("WorkerPool: a priority that is none is refused by name, wherever it comes in"
) {
    WorkerPool pool{{.threads = 1, .capacity = 1, .overflow = Overflow::caller_runs}};
    const TaskOptions bad{.priority = static_cast<Priority>(3)};
    int ran = 0;
    const auto task = [&] { ++ran; };
    const char* const why = "TaskOptions::priority must be an enumerator";
    CHECK_THROWS_WITH_AS((void)pool.try_submit(task, bad), why, std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)pool.submit_wait(task, bad), why, std::invalid_argument);
    CHECK(finish(pool).clean());
    CHECK(ran == 0);
}

TEST_CASE("WorkerPool: one that spins before it sleeps loses no task") {
    WorkerPool pool{{.threads = 2, .capacity = 10, .spin = 10us}};
    for (int i = 0; i < 300; ++i) {
        std::latch ran{1};
        REQUIRE(pool.try_submit([&] { ran.count_down(); }));
        ran.wait();
    }
    CHECK(finish(pool).completed <= 300);
    CHECK(pool.snapshot().completed == 300);
}
