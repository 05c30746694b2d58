// SPDX-License-Identifier: MIT
// What becomes of a task for which a queue has no room.
#include <resilience/worker_pool.hpp>

#include <resilience/classify.hpp>
#include <resilience/testing/manual_clock.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "unit/core/worker_pool_world.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

auto manual(const ManualClock& clock) {
    return [&clock]() noexcept { return clock.now(); };
}

}  // namespace

TEST_CASE("WorkerPool: a queue takes what its capacity says at each priority, no more") {
    for (const std::size_t capacity : {std::size_t{1}, std::size_t{3}, std::size_t{8}}) {
        WorkerPool pool{{.threads = 1, .capacity = capacity}};
        Roadblock block;
        block.hold(pool);
        for (const Priority p : {Priority::low, Priority::normal, Priority::high}) {
            for (std::size_t i = 0; i < capacity; ++i) {
                CHECK(pool.try_submit([] {}, {.priority = p}));
            }
            CHECK(
                pool.try_submit([] {}, {.priority = p}).error() == code(Errc::queue_full)
            );
        }
        const WorkerPoolSnapshot full = pool.snapshot();
        CHECK(full.queue_size == 3 * capacity);
        CHECK(full.queued == std::array{capacity, capacity, capacity});
        CHECK(full.processing == 1);
        CHECK(full.submitted == 3 * capacity + 1);
        CHECK(full.refused == 3);
        block.go();
        CHECK(finish(pool).clean());
        CHECK(pool.snapshot().completed == 3 * capacity + 1);
        CHECK(pool.snapshot().queue_size == 0);
    }
}

TEST_CASE("WorkerPool: a refused task stays with the caller, and is no failure of a peer"
) {
    WorkerPool pool{{.threads = 1, .capacity = 1}};
    Roadblock block;
    block.hold(pool);
    REQUIRE(pool.try_submit([] {}));
    auto owned = std::make_unique<int>(7);
    auto task = [owned = std::move(owned)] { static_cast<void>(owned); };
    const Submission answer = pool.try_submit(std::move(task));
    CHECK_FALSE(answer.has_value());
    CHECK(is_refusal(answer.error()));
    CHECK(classify(answer).verdict == Verdict::ignored);
    block.go();
    CHECK(finish(pool).clean());
    CHECK(pool.try_submit(std::move(task)).error() == code(Errc::closed));
    // Still unchanged.
    Task kept{std::move(task)};
    CHECK(kept);
}

TEST_CASE("WorkerPool: with caller_runs a full queue makes its submitter do the work") {
    Journal journal;
    WorkerPool pool{{.threads = 1, .capacity = 1, .overflow = Overflow::caller_runs}};
    Roadblock block;
    block.hold(pool);
    REQUIRE(pool.try_submit([] {}));
    std::thread::id ran_on;
    std::size_t worker = 0;
    CHECK(pool.try_submit([&](const TaskContext& c) {
        ran_on = std::this_thread::get_id();
        worker = c.worker;
        // Nested once more it would go on for ever.
        CHECK(pool.try_submit([] {}).error() == code(Errc::queue_full));
        CHECK(pool.drain(TimePoint::min()).refused == code(Errc::invalid_request));
    }));
    CHECK(ran_on == std::this_thread::get_id());
    CHECK(worker == TaskContext::no_worker);
    CHECK(pool.try_submit([] { throw std::runtime_error{"stays inside"}; }));
    const WorkerPoolSnapshot s = pool.snapshot();
    CHECK(s.caller_ran == 2);
    CHECK(s.threw == 1);
    CHECK(s.submitted == 4);
    CHECK(s.completed == 2);
    block.go();
    CHECK(finish(pool).clean());
    CHECK(pool.try_submit([] {}).error() == code(Errc::closed));
    CHECK(pool.snapshot().completed == 4);
}

TEST_CASE("WorkerPool: with drop_oldest a full queue gives up its oldest task") {
    Journal journal;
    WorkerPool pool{{.threads = 1, .capacity = 3, .overflow = Overflow::drop_oldest}};
    Roadblock block;
    block.hold(pool);
    REQUIRE(pool.try_submit(Noting{&journal, 100}, {.priority = Priority::low}));
    for (int i = 0; i < 5; ++i) CHECK(pool.try_submit(Noting{&journal, i}));
    CHECK(journal.text() == "0:shed 1:shed");
    CHECK(pool.snapshot().dropped == 2);
    block.go();
    CHECK(finish(pool).clean());
    CHECK(journal.text() == "0:shed 1:shed 2 3 4 100");
    CHECK(pool.snapshot().submitted == 7);
}

TEST_CASE("WorkerPool: with drop_expired a full queue gives up what is of no more use") {
    Journal journal;
    ManualClock clock;
    WorkerPool pool{
        {.threads = 1, .capacity = 4, .overflow = Overflow::drop_expired},
        NoObserver{},
        manual(clock)};
    Roadblock block;
    block.hold(pool);
    const TimePoint start = clock.now();
    REQUIRE(pool.try_submit(Noting{&journal, 0}));
    REQUIRE(pool.try_submit(Noting{&journal, 1}, {.deadline = start + 30s}));
    REQUIRE(pool.try_submit(Noting{&journal, 2}, {.deadline = start + 10s}));
    REQUIRE(pool.try_submit(Noting{&journal, 3}, {.deadline = start + 20s}));
    CHECK(pool.try_submit(Noting{&journal, 4}).error() == code(Errc::queue_full));
    clock.set(start + 10s);
    CHECK(pool.try_submit(Noting{&journal, 5}));
    CHECK(journal.text() == "2:late");
    CHECK(pool.try_submit(Noting{&journal, 6}).error() == code(Errc::queue_full));
    clock.set(start + 20s);
    CHECK(pool.try_submit(Noting{&journal, 7}));
    CHECK(journal.text() == "2:late 3:late");
    CHECK(pool.snapshot().expired == 2);
    block.go();
    CHECK(finish(pool).clean());
    CHECK(journal.text() == "2:late 3:late 0 1 5 7");
}

TEST_CASE("WorkerPool: with drop_expired a submission looks at the 64 oldest tasks") {
    Journal journal;
    ManualClock clock;
    WorkerPool pool{
        {.threads = 1, .capacity = 100, .overflow = Overflow::drop_expired},
        NoObserver{},
        manual(clock)};
    Roadblock block;
    block.hold(pool);
    Roadblock first;
    REQUIRE(pool.try_submit(first.task()));
    for (int i = 1; i < 64; ++i) REQUIRE(pool.try_submit([] {}));
    const TimePoint deadline = clock.now() + 1s;
    for (int i = 64; i < 100; ++i) {
        REQUIRE(pool.try_submit(Noting{&journal, i}, {.deadline = deadline}));
    }
    clock.set(deadline);
    CHECK(pool.try_submit([] {}).error() == code(Errc::queue_full));
    // One is taken, so the first that has expired is the 64th now.
    block.go();
    first.wait_until_reached();
    CHECK(pool.try_submit([] {}));
    CHECK(journal.text() == "");
    CHECK(pool.try_submit([] {}));
    CHECK(journal.text() == "64:late");
    CHECK(pool.try_submit([] {}));
    CHECK(journal.text() == "64:late 65:late");
    first.go();
    CHECK(finish(pool).clean());
    CHECK(pool.snapshot().expired == 36);
}
