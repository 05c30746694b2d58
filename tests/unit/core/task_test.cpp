// SPDX-License-Identifier: MIT
#include <resilience/task.hpp>

#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

using namespace resilience;

namespace {

const std::stop_token kNoStop;
const TaskContext kContext{0, Priority::normal, TimePoint::max(), "id", kNoStop};

/// Counts its life; not trivially copyable, so it is moved by its own constructor.
struct Tracked {
    struct Tally {
        int ran = 0;
        int told = 0;
        int alive = 0;
    };

    explicit Tracked(Tally& t) noexcept : tally{&t} { ++tally->alive; }
    Tracked(Tracked&& other) noexcept : tally{other.tally} { ++tally->alive; }
    ~Tracked() { --tally->alive; }

    void operator()() { ++tally->ran; }
    void not_run(Errc) noexcept { ++tally->told; }

    Tally* tally;
};

}  // namespace

TEST_CASE("Task: comes to exactly one end, and its callable to exactly one death") {
    Tracked::Tally tally;
    SUBCASE("run") {
        Task task{Tracked{tally}};
        CHECK(task);
        task.run(kContext);
        CHECK_FALSE(task);
        CHECK(tally.alive == 0);
        task.run(kContext);
        task.skip(Errc::shed);
        CHECK(tally.ran == 1);
        CHECK(tally.told == 0);
    }
    SUBCASE("skipped") {
        Task task{Tracked{tally}};
        task.skip(Errc::shed);
        CHECK(tally.alive == 0);
        task.run(kContext);
        CHECK(tally.ran == 0);
        CHECK(tally.told == 1);
    }
    SUBCASE("destroyed") {
        { const Task task{Tracked{tally}}; }
        CHECK(tally.told == 1);
    }
    SUBCASE("moved, then destroyed") {
        {
            Task first{Tracked{tally}};
            Task second{std::move(first)};
            Task third;
            third = std::move(second);
            CHECK(tally.alive == 1);
            CHECK(tally.told == 0);
        }
        CHECK(tally.told == 1);
    }
    SUBCASE("overwritten") {
        Task task{Tracked{tally}};
        task = Task{};
        CHECK(tally.told == 1);
        CHECK_FALSE(task);
    }
    SUBCASE("thrown out of") {
        Task task{[keep = Tracked{tally}] {
            static_cast<void>(keep);
            throw 1;
        }};
        CHECK_THROWS_AS(task.run(kContext), int);
        CHECK_FALSE(task);
    }
    CHECK(tally.alive == 0);
}

TEST_CASE("Task: takes callables with and without a context, and plain functions") {
    std::string seen;
    Task with{[&](const TaskContext& c) { seen = c.correlation_id; }};
    with.run(kContext);
    CHECK(seen == "id");
    static int calls = 0;
    Task plain{+[] { ++calls; }};
    plain.run(kContext);
    CHECK(calls == 1);
    const auto constant = [] { ++calls; };
    Task copied{constant};
    copied.run(kContext);
    CHECK(calls == 2);
    Task nothing;
    nothing.run(kContext);
}

TEST_CASE("Task: allocates nothing; a boxed callable of any size, once") {
    struct Large {
        std::array<std::byte, 1000> bytes{};
        int* told;
        void operator()() const {}
        void not_run(Errc) const noexcept { ++*told; }
    };
    int told = 0;
    testing::AllocationCounter counter;
    {
        std::array<void*, 6> six{};
        Task task{[six] { static_cast<void>(six); }};
        Task moved{std::move(task)};
        moved.run(kContext);
    }
    const auto small = counter.made();
    { Task task{boxed(Large{.told = &told})}; }
    const auto large = counter.made() - small;
    CHECK(small == 0);
    CHECK(large == 1);
    CHECK(told == 1);
}

TEST_CASE("Task: run_or calls one of two") {
    int ran = 0;
    Errc why{};
    Task first{run_or([&] { ++ran; }, [&](Errc e) noexcept { why = e; })};
    first.run(kContext);
    CHECK(ran == 1);
    CHECK(why == Errc{});
    Task second{
        run_or([&](const TaskContext&) { ++ran; }, [&](Errc e) noexcept { why = e; })};
    second.skip(Errc::timed_out);
    CHECK(ran == 1);
    CHECK(why == Errc::timed_out);
}

TEST_CASE("QueuedTask: keeps what came with the task") {
    using namespace std::chrono_literals;
    const TimePoint deadline{5s};
    std::vector<QueuedTask> tasks;
    tasks.emplace_back([] {}, TaskOptions{Priority::high, deadline, "one"});
    tasks.emplace_back([] {}, TaskOptions{});
    std::swap(tasks[0], tasks[1]);
    CHECK(tasks[1].priority() == Priority::high);
    CHECK(tasks[1].deadline() == deadline);
    CHECK(tasks[1].correlation_id() == "one");
    CHECK(tasks[1].expired(deadline));
    CHECK_FALSE(tasks[1].expired(deadline - 1ns));
    CHECK(tasks[0].deadline() == TimePoint::max());
    CHECK(tasks[0].correlation_id().empty());
    CHECK_FALSE(tasks[0].expired(TimePoint::max()));
    CHECK(tasks[0].options().priority == Priority::normal);
}
