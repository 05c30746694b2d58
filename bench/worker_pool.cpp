// SPDX-License-Identifier: MIT
// What WorkerPool costs next to a queue behind one mutex and next to Asio's thread pool,
// a bare compare-and-swap and a bare clock read, in the same run. Compare medians:
//
//   worker_pool --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/worker_pool.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/median.hpp"

namespace {

using namespace std::chrono_literals;
using namespace resilience;

constexpr std::size_t kCapacity = 4096;
constexpr int kTasks = 1'000'000;
constexpr int kShots = 2'000;

/// What most programs begin with.
class MutexQueue {
public:
    explicit MutexQueue(std::size_t threads) {
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { work(); });
        }
    }

    ~MutexQueue() {
        {
            const std::lock_guard lock{mutex_};
            closed_ = true;
        }
        filled_.notify_all();
        for (std::thread& t : threads_) t.join();
    }

    template <class F>
    void submit(F f) {
        {
            std::unique_lock lock{mutex_};
            space_.wait(lock, [this] { return tasks_.size() < kCapacity; });
            tasks_.emplace_back(f);
        }
        filled_.notify_one();
    }

private:
    void work() {
        std::unique_lock lock{mutex_};
        for (;;) {
            filled_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            const auto task = std::move(tasks_.front());
            tasks_.pop_front();
            const bool was_full = tasks_.size() + 1 == kCapacity;
            lock.unlock();
            if (was_full) space_.notify_one();
            task();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable filled_;
    std::condition_variable space_;
    std::deque<std::function<void()>> tasks_;
    bool closed_ = false;
    std::vector<std::thread> threads_;
};

class AsioPool {
public:
    explicit AsioPool(std::size_t threads) : pool_{threads} {}
    ~AsioPool() { pool_.join(); }

    template <class F>
    void submit(F f) {
        boost::asio::post(pool_, f);
    }

private:
    boost::asio::thread_pool pool_;
};

class OurPool {
public:
    explicit OurPool(std::size_t threads, std::chrono::nanoseconds spin = 0ns)
        : pool_{{.threads = threads, .capacity = kCapacity, .spin = spin}} {}

    template <class F>
    void submit(F f) {
        if (!pool_.try_submit(f)) static_cast<void>(pool_.submit_wait(f));
    }

private:
    WorkerPool<> pool_;
};

class OurSpinningPool : public OurPool {
public:
    explicit OurSpinningPool(std::size_t threads) : OurPool{threads, 2ms} {}
};

void bare_compare_and_swap(benchmark::State& state) {
    static std::atomic<std::int64_t> word{0};
    for (auto _ : state) {
        std::int64_t seen = word.load(std::memory_order_relaxed);
        while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
        }
    }
}
BENCHMARK(bare_compare_and_swap);

void bare_clock_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Clock::now());
}
BENCHMARK(bare_clock_read);

/// One producer, two workers, a million empty tasks, until the last one has run: so many
/// milliseconds are as many nanoseconds a task.
template <class Pool>
void throughput(benchmark::State& state) {
    Pool pool{2};
    for (auto _ : state) {
        std::atomic<bool> done{false};
        for (int i = 0; i < kTasks; ++i) pool.submit([] {});
        pool.submit([&done] {
            done.store(true);
            done.notify_one();
        });
        done.wait(false);
    }
    state.SetItemsProcessed(state.iterations() * kTasks);
}

/// From the submission to the first instruction of the task, when the pool has been idle
/// for 200 us.
template <class Pool>
void latency(benchmark::State& state) {
    Pool pool{2};
    std::vector<double> waits;
    std::atomic<bool> done{false};
    TimePoint started;
    for (auto _ : state) {
        for (int i = 0; i < kShots; ++i) {
            std::this_thread::sleep_for(200us);
            done.store(false, std::memory_order_relaxed);
            const TimePoint submitted = Clock::now();
            pool.submit([&done, &started] {
                started = Clock::now();
                done.store(true, std::memory_order_release);
            });
            while (!done.load(std::memory_order_acquire)) std::this_thread::yield();
            waits.push_back(
                std::chrono::duration<double, std::micro>{started - submitted}.count()
            );
        }
    }
    state.counters["p50_us"] = bench::quantile(waits, 0.5);
    state.counters["p99_us"] = bench::quantile(waits, 0.99);
}

BENCHMARK(throughput<OurPool>)->UseRealTime();
BENCHMARK(throughput<MutexQueue>)->UseRealTime();
BENCHMARK(throughput<AsioPool>)->UseRealTime();
BENCHMARK(latency<OurPool>)->UseRealTime()->Iterations(1);
BENCHMARK(latency<MutexQueue>)->UseRealTime()->Iterations(1);
BENCHMARK(latency<AsioPool>)->UseRealTime()->Iterations(1);
BENCHMARK(latency<OurSpinningPool>)->UseRealTime()->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
