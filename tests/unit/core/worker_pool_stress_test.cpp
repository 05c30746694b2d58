// SPDX-License-Identifier: MIT
#include <resilience/worker_pool.hpp>

#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "unit/core/worker_pool_world.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// How often tasks came to each end.
struct Ends {
    std::atomic<std::uint64_t> ran{0};
    std::atomic<std::uint64_t> late{0};
    std::atomic<std::uint64_t> shed{0};
    std::atomic<std::uint64_t> gone{0};
};

struct Counting {
    Ends* ends;
    bool throws;

    void operator()() const {
        ++ends->ran;
        if (throws) throw 1;
    }
    void not_run(Errc why) const noexcept {
        ++(why == Errc::timed_out ? ends->late
           : why == Errc::shed    ? ends->shed
                                  : ends->gone);
    }
};

template <class Pool>
std::uint64_t submit_at_random(Pool& pool, Ends& ends, std::uint64_t seed, int calls) {
    SeededRandom random{seed};
    std::uint64_t taken = 0;
    for (int i = 0; i < calls; ++i) {
        TaskOptions options{.priority = static_cast<Priority>(random.below(3))};
        if (random.below(8) == 0) options.deadline = TimePoint::min();
        if (random.below(8) == 0) options.correlation_id = "some-correlation-id";
        const Counting task{&ends, random.below(16) == 0};
        const bool wait = random.below(4) == 0;
        const Submission answer =
            wait ? pool.submit_wait(task, options) : pool.try_submit(task, options);
        if (answer) ++taken;
    }
    return taken;
}

/// One operation of a history: it took effect between two moments.
struct Operation {
    enum class Kind { taken, full, started } kind;
    int value;
    std::uint64_t begin;
    std::uint64_t end;
};

/// Whether the operations have an order, one at a time, that a queue of this capacity
/// could have had and that contradicts no moment.
class Linearisation {
public:
    Linearisation(std::vector<Operation> operations, std::size_t capacity)
        : operations_{std::move(operations)}, capacity_{capacity} {}

    bool exists() { return search(0, {}); }

private:
    bool search(std::uint32_t done, const std::vector<int>& queue) {
        if (done + 1 == 1u << operations_.size()) return true;
        std::uint64_t first_end = ~std::uint64_t{0};
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            if ((done >> i & 1) == 0) first_end = std::min(first_end, operations_[i].end);
        }
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            const Operation& op = operations_[i];
            if ((done >> i & 1) != 0 || op.begin > first_end) continue;
            std::vector<int> next = queue;
            if (op.kind == Operation::Kind::taken) {
                if (queue.size() >= capacity_) continue;
                next.push_back(op.value);
            } else if (op.kind == Operation::Kind::full) {
                if (queue.size() < capacity_) continue;
            } else {
                if (queue.empty() || queue.front() != op.value) continue;
                next.erase(next.begin());
            }
            if (search(done | 1u << i, next)) return true;
        }
        return false;
    }

    std::vector<Operation> operations_;
    std::size_t capacity_;
};

}  // namespace

TEST_CASE("WorkerPool: whatever happens, each task comes to one end (conservation)") {
    for (const Overflow overflow :
         {Overflow::reject,
          Overflow::caller_runs,
          Overflow::drop_oldest,
          Overflow::drop_expired}) {
        for (const std::size_t capacity : {std::size_t{1}, std::size_t{7}}) {
            for (const bool in_time : {true, false}) {
                CAPTURE(static_cast<int>(overflow));
                CAPTURE(capacity);
                CAPTURE(in_time);
                Ends ends;
                std::atomic<std::uint64_t> taken{0};
                WorkerPool pool{
                    {.threads = 2,
                     .capacity = capacity,
                     .overflow = overflow,
                     .spin = in_time ? 0ns : 1us}};
                std::vector<std::thread> threads;
                std::latch start{3};
                for (std::uint64_t i = 0; i < 2; ++i) {
                    threads.emplace_back([&, i] {
                        start.arrive_and_wait();
                        taken += submit_at_random(pool, ends, seed() * 10 + i, 2000);
                    });
                }
                start.arrive_and_wait();
                if (in_time) {
                    for (std::thread& t : threads) t.join();
                } else {
                    while (pool.snapshot().submitted < 500) std::this_thread::yield();
                }
                DrainReport report =
                    pool.drain(in_time ? TimePoint::max() : TimePoint::min());
                if (!in_time) {
                    for (std::thread& t : threads) t.join();
                }
                finish(pool);
                const std::size_t unstarted = report.unstarted.size();
                report.unstarted.clear();
                const WorkerPoolSnapshot s = pool.snapshot();
                CHECK(s.submitted == taken);
                CHECK(s.completed + s.cancelled == ends.ran);
                CHECK(s.expired == ends.late);
                CHECK(s.dropped == ends.shed);
                CHECK(s.unstarted == unstarted);
                CHECK(ends.gone == unstarted);
                CHECK(
                    s.submitted ==
                    s.completed + s.cancelled + s.expired + s.dropped + s.unstarted
                );
                CHECK(s.queue_size == 0);
                CHECK(s.processing == 0);
                CHECK(s.waiting == 0);
                CHECK(s.refused + s.submitted == 4000);
            }
        }
    }
}

TEST_CASE("WorkerPool: small histories are those of a bounded queue (linearizability)") {
    constexpr int kHistories = 300;
    constexpr int kSubmitters = 2;
    constexpr int kEach = 4;
    for (const std::size_t capacity : {std::size_t{1}, std::size_t{2}}) {
        WorkerPool pool{{.threads = 2, .capacity = capacity}};
        int contradictions = 0;
        for (int h = 0; h < kHistories; ++h) {
            std::atomic<std::uint64_t> moment{0};
            std::mutex mutex;
            std::vector<Operation> history;
            std::array<std::uint64_t, 2> free_since{};  // by worker
            std::atomic<int> ended{0};
            std::atomic<int> taken{0};
            const auto note = [&](Operation op) {
                const std::lock_guard lock{mutex};
                history.push_back(op);
            };
            std::latch start{kSubmitters};
            std::vector<std::thread> threads;
            for (int t = 0; t < kSubmitters; ++t) {
                threads.emplace_back([&, t] {
                    start.arrive_and_wait();
                    for (int i = 0; i < kEach; ++i) {
                        const int value = t * kEach + i;
                        const std::uint64_t begin = moment++;
                        const bool ok =
                            pool.try_submit([&, value](const TaskContext& c) {
                                    const std::uint64_t now = moment++;
                                    auto& since = free_since.at(c.worker);
                                    note({Operation::Kind::started, value, since, now});
                                    if (value % 3 == 0) {
                                        std::this_thread::yield();
                                    }
                                    since = moment++;
                                    ++ended;
                                    ended.notify_all();
                                }
                            ).has_value();
                        const auto kind =
                            ok ? Operation::Kind::taken : Operation::Kind::full;
                        note({kind, value, begin, moment++});
                        if (ok) ++taken;
                        if (value % 2 == 0) std::this_thread::yield();
                    }
                });
            }
            for (std::thread& t : threads) t.join();
            for (int n = ended; n < taken; n = ended) ended.wait(n);
            const std::lock_guard lock{mutex};
            if (!Linearisation{history, capacity}.exists()) ++contradictions;
        }
        CHECK(contradictions == 0);
        CHECK(finish(pool).clean());
    }
}
