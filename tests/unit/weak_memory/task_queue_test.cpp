// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/task.hpp>
#include <resilience/worker_pool_options.hpp>

#include <resilience/detail/task_queue.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <memory>
#include <stop_token>
#include <utility>

using namespace resilience;
using namespace resilience::testing::weak;

namespace {

/// Adds a task of normal priority.
template <class F>
detail::Offer offer(
    detail::TaskQueue& queue, F f, TimePoint deadline = TimePoint::max()
) {
    QueuedTask displaced;
    const TaskOptions options{.deadline = deadline};
    return queue.offer(
        options.priority,
        queue.settings().overflow(),
        [&](QueuedTask* cell) { std::construct_at(cell, std::move(f), options); },
        [] { return TimePoint{}; },
        displaced
    );
}

void run_here(QueuedTask& task) {
    const std::stop_token stop;
    task.task.run({0, task.priority(), task.deadline(), {}, stop});
}

/// Runs what it takes until the queue is closed.
void work(detail::TaskQueue& queue) {
    for (QueuedTask task; queue.take(task);) run_here(task);
}

/// Each place in memory where a @ref Placed has been.
class Places {
public:
    Plain<int>& at(const void* place) { return places_[place]; }

private:
    std::map<const void*, Plain<int>> places_;
};

/// A task that uses the place where it lies, to come there and to go.
class Placed {
public:
    explicit Placed(Places& places) : places_{&places} { places_->at(this).set(1); }
    Placed(Placed&& other) noexcept : places_{other.places_} {
        static_cast<void>(places_->at(&other).get());
        places_->at(this).set(1);
    }
    ~Placed() { places_->at(this).set(0); }

    void operator()() const {}

private:
    Places* places_;
};

/// A submitter that waits for space.
template <class F>
class Waiting final : public detail::SpaceWaiter {
public:
    explicit Waiting(F f) : f_{std::move(f)} {}

    Priority priority() const noexcept override { return Priority::normal; }
    void move_into(QueuedTask* cell) noexcept override {
        std::construct_at(cell, std::move(f_), TaskOptions{});
    }
    void resumed(bool) noexcept override {}

private:
    F f_;
};

}  // namespace

TEST_CASE("weak memory: a worker sees the contents of its task, and runs it once") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 2}};
        Plain<int> contents{0};
        run(
            {[&] {
                 contents.set(1);
                 offer(queue, [&] { contents.set(contents.get() + 1); });
             },
             [&] {
                 QueuedTask task;
                 demand(queue.take(task), "it is not closed");
                 run_here(task);
             }}
        );
        demand(contents.get() == 2, "it ran once");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a worker empties its queue before it leaves") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 2}};
        Plain<int> contents{0};
        run(
            {[&] {
                 offer(queue, [&] { contents.set(contents.get() + 1); });
                 offer(queue, [&] { contents.set(contents.get() + 1); });
                 queue.close();
             },
             [&] { work(queue); }}
        );
        demand(contents.get() == 2, "both ran");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: two submitters of one level do not meet in one cell") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 2}};
        Plain<int> one{0};
        Plain<int> two{0};
        run(
            {[&] { offer(queue, [&] { one.set(one.get() + 1); }); },
             [&] { offer(queue, [&] { two.set(two.get() + 1); }); }}
        );
        for (QueuedTask task; queue.size() > 0 && queue.take(task);) run_here(task);
        demand(one.get() == 1 && two.get() == 1, "both ran once");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a submitter that waits for space gets it") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 1}};
        Plain<int> contents{0};
        offer(queue, [&] { contents.set(contents.get() + 1); });
        Waiting waiting{[&] { contents.set(contents.get() + 1); }};
        run(
            {[&] { static_cast<void>(queue.offer_or_wait(waiting)); },
             [&] {
                 for (int i = 0; i < 2; ++i) {
                     QueuedTask task;
                     demand(queue.take(task), "it is not closed");
                     run_here(task);
                 }
             }}
        );
        demand(contents.get() == 2, "both ran");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: of two workers each task is run by one, and both leave") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 2}};
        Plain<int> contents{0};
        offer(queue, [&] { contents.set(contents.get() + 1); });
        queue.close();
        run({[&] { work(queue); }, [&] { work(queue); }});
        demand(contents.get() == 1, "it ran once");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a cell is empty before another task is put there") {
    const Exploration all = explore([] {
        Places places;
        detail::TaskQueue queue{{.capacity = 1}};
        run(
            {[&] {
                 offer(queue, Placed{places});
                 offer(queue, Placed{places});
             },
             [&] {
                 QueuedTask task;
                 demand(queue.take(task), "it is not closed");
             }}
        );
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a queue tells no size that it never had") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 1}};
        run(
            {[&] {
                 offer(queue, [] {});
                 QueuedTask task;
                 demand(queue.take(task), "it is not closed");
             },
             [&] { demand(queue.size() <= 1, "there was one task"); }}
        );
        demand(queue.size() == 0, "and it was taken");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a queue that drops what has expired tells no size it never had") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 1, .overflow = Overflow::drop_expired}};
        run(
            {[&] {
                 offer(
                     queue, [] {}, TimePoint{}
                 );
                 const auto answer = offer(queue, [] {});
                 demand(answer == detail::Offer::taken_instead, "the first one expired");
             },
             [&] { demand(queue.size() <= 2, "there were two tasks"); }}
        );
        demand(queue.size() == 1, "one is left");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a halted queue gives nothing, and what it held is not lost") {
    const Exploration all = explore([] {
        detail::TaskQueue queue{{.capacity = 1}};
        detail::Atomic<bool> halted{false};
        int ran = 0;
        int left = 0;
        offer(queue, [] {});
        run(
            {[&] {
                 queue.halt();
                 halted.store(true, std::memory_order_release);
                 QueuedTask task;
                 if (queue.take_back(task)) ++left;
             },
             [&] {
                 const bool late = halted.load(std::memory_order_acquire);
                 QueuedTask task;
                 if (!queue.take(task)) return;
                 demand(!late, "none comes after the halt");
                 ++ran;
             }}
        );
        demand(ran + left == 1, "it went one way");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
