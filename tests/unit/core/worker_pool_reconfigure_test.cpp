// SPDX-License-Identifier: MIT
#include <resilience/registry.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "unit/core/worker_pool_world.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// Changes what `set` sets, and nothing else.
template <class Pool, class Set>
void change(Pool& pool, Set set) {
    WorkerPoolOptions options = pool.options();
    set(options);
    pool.reconfigure(options);
}

template <class Set>
std::string refused(WorkerPool<>& pool, Set set) {
    try {
        change(pool, set);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

void overflow_by(WorkerPool<>& pool, Overflow overflow) {
    change(pool, [&](WorkerPoolOptions& o) { o.overflow = overflow; });
}

}  // namespace

TEST_CASE("a pool in use does something else with a task that finds the queue full") {
    WorkerPool<> pool{{.threads = 1, .capacity = 1}};
    Journal journal;
    Roadblock block;
    block.hold(pool);
    REQUIRE(pool.try_submit(Noting{&journal, 1}));
    CHECK(pool.try_submit(Noting{&journal, 2}).error() == code(Errc::queue_full));
    overflow_by(pool, Overflow::drop_oldest);
    CHECK(pool.try_submit(Noting{&journal, 3}, {.deadline = TimePoint::min()}));
    CHECK(journal.text() == "1:shed");
    overflow_by(pool, Overflow::drop_expired);
    CHECK(pool.try_submit(Noting{&journal, 4}));
    CHECK(pool.try_submit(Noting{&journal, 5}).error() == code(Errc::queue_full));
    overflow_by(pool, Overflow::caller_runs);
    CHECK(pool.try_submit(Noting{&journal, 6}));
    CHECK(journal.text() == "1:shed 3:late 6");
    overflow_by(pool, Overflow::reject);
    CHECK(pool.try_submit(Noting{&journal, 7}).error() == code(Errc::queue_full));
    CHECK(pool.snapshot().dropped == 1);
    CHECK(pool.snapshot().expired == 1);
    block.go();
    CHECK(finish(pool).clean());
    CHECK(journal.text() == "1:shed 3:late 6 4");
}

TEST_CASE("a pool in use lets fewer submitters wait, and for another time") {
    WorkerPool<> pool{{.threads = 1, .capacity = 1}};
    Roadblock block;
    block.hold(pool);
    REQUIRE(pool.try_submit([] {}));
    std::thread patient{[&] { CHECK(pool.submit_wait([] {})); }};
    while (pool.snapshot().waiting < 1) std::this_thread::yield();
    change(pool, [](WorkerPoolOptions& o) {
        o.max_waiting = 1;
        o.max_wait = 1ns;
    });
    CHECK(pool.submit_wait([] {}).error() == code(Errc::queue_full));
    change(pool, [](WorkerPoolOptions& o) { o.max_waiting = 2; });
    CHECK(pool.submit_wait([] {}).error() == code(Errc::timed_out));
    // The wait that began before is as long as it was to be.
    CHECK(pool.snapshot().waiting == 1);
    block.go();
    patient.join();
    CHECK(finish(pool).clean());
}

TEST_CASE("a drain gives running tasks the time to stop that is in force") {
    WorkerPool<> pool{{.threads = 1, .stop_grace = 0ns}};
    Roadblock block;
    std::atomic<bool> stopped{false};
    REQUIRE(pool.try_submit([&](const TaskContext& task) {
        block.task()();
        while (!task.stop.stop_requested()) std::this_thread::yield();
        std::this_thread::sleep_for(20ms);
        stopped = true;
    }));
    block.wait_until_reached();
    change(pool, [](WorkerPoolOptions& o) { o.stop_grace = 10min; });
    block.go();
    const DrainReport report = pool.drain(TimePoint::min());
    CHECK(stopped);
    CHECK(report.cancelled == 1);
    CHECK(report.running == 0);
}

TEST_CASE("workers look for work before they sleep as long as it is said, and no longer"
) {
    WorkerPool<> pool{{.threads = 2}};
    std::atomic<int> ran{0};
    for (int round = 1; round <= 50; ++round) {
        const auto spin = round % 2 == 0 ? 0ns : std::chrono::nanoseconds{20us};
        change(pool, [&](WorkerPoolOptions& o) { o.spin = spin; });
        REQUIRE(pool.try_submit([&] { ++ran; }));
        while (ran < round) std::this_thread::yield();
    }
    CHECK(pool.options().spin == 0ns);
    CHECK(finish(pool).clean());
}

TEST_CASE("what a pool is made of cannot change, and no field may be out of range") {
    WorkerPool<> pool{{.threads = 2, .capacity = 3, .name = "mail"}};
    using O = WorkerPoolOptions;
    CHECK(refused(pool, [](O& o) { o.threads = 3; }) == "WorkerPoolOptions::threads");
    CHECK(refused(pool, [](O& o) { o.capacity = 4; }) == "WorkerPoolOptions::capacity");
    CHECK(refused(pool, [](O& o) { o.name = "post"; }) == "WorkerPoolOptions::name");
    CHECK(refused(pool, [](O& o) {
              o.overflow = Overflow{4};
          }) == "WorkerPoolOptions::overflow");
    CHECK(refused(pool, [](O& o) {
              o.max_waiting = (1u << 20) + 1;
          }) == "WorkerPoolOptions::max_waiting");
    CHECK(refused(pool, [](O& o) { o.max_wait = 0ns; }) == "WorkerPoolOptions::max_wait");
    CHECK(refused(pool, [](O& o) {
              o.stop_grace = -1ns;
          }) == "WorkerPoolOptions::stop_grace");
    CHECK(refused(pool, [](O& o) { o.spin = 11ms; }) == "WorkerPoolOptions::spin");
    const WorkerPoolOptions now = pool.options();
    CHECK(now.threads == 2);
    CHECK(now.capacity == 3);
    CHECK(now.name == "mail");
    CHECK(now.overflow == Overflow::reject);
    CHECK(now.max_wait == WorkerPoolOptions{}.max_wait);
    CHECK(now.max_waiting == WorkerPoolOptions{}.max_waiting);
    CHECK(now.stop_grace == WorkerPoolOptions{}.stop_grace);
    CHECK(now.spin == 0ns);
}

TEST_CASE("a registry changes a pool by its name") {
    Registry registry;
    auto pool = std::make_shared<WorkerPool<>>(WorkerPoolOptions{.threads = 1});
    REQUIRE_FALSE(registry.add("mail", pool));
    WorkerPoolOptions options = pool->options();
    options.overflow = Overflow::caller_runs;
    CHECK(registry.reconfigure<WorkerPool<>>("mail", options));
    CHECK(pool->options().overflow == Overflow::caller_runs);
}

TEST_CASE("no task is lost while threads submit and a pool is changed") {
    WorkerPool<> pool{{.threads = 2, .capacity = 4}};
    std::atomic<std::uint64_t> ended{0};
    std::atomic<std::uint64_t> taken{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            const auto work = [&] { ++ended; };
            const auto otherwise = [&](Errc) noexcept { ++ended; };
            for (int i = 0; i < 10'000; ++i) {
                taken += pool.try_submit(run_or(work, otherwise)).has_value();
            }
        });
    }
    for (int i = 0; i < 2'000; ++i) {
        overflow_by(pool, static_cast<Overflow>(i % 4));
        std::this_thread::yield();
    }
    threads.clear();
    CHECK(finish(pool).clean());
    CHECK(ended == taken);
}
