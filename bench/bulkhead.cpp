// SPDX-License-Identifier: MIT
// What Bulkhead and AdaptiveLimit cost next to what they are made of: a bare
// compare-and-swap and a bare clock read, in the same run. Compare medians:
//
//   bench_bulkhead --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

void bare_compare_and_swap(benchmark::State& state) {
    static std::atomic<std::int64_t> word{0};
    for (auto _ : state) {
        std::int64_t seen = word.load(std::memory_order_relaxed);
        while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
        }
    }
}
BENCHMARK(bare_compare_and_swap)->ThreadRange(1, 2)->UseRealTime();

void bare_clock_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Clock::now());
}
BENCHMARK(bare_clock_read);

void bulkhead_acquire_and_release(benchmark::State& state) {
    static Bulkhead bulkhead{{.limit = 64}};
    for (auto _ : state) {
        auto slot = bulkhead.try_acquire();
        bool admitted{slot};
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(bulkhead_acquire_and_release)->ThreadRange(1, 2)->UseRealTime();

void bulkhead_refuse(benchmark::State& state) {
    Bulkhead bulkhead{{.limit = 1, .queue = 0}};
    auto held = bulkhead.try_acquire();
    for (auto _ : state) {
        auto slot = bulkhead.try_acquire();
        bool admitted{slot};
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(bulkhead_refuse);

void bulkhead_acquire_or_wait_and_release(benchmark::State& state) {
    Bulkhead bulkhead{{.limit = 64}};
    for (auto _ : state) {
        auto slot = bulkhead.acquire();
        bool admitted{slot};
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(bulkhead_acquire_or_wait_and_release);

void bulkhead_refuse_to_wait(benchmark::State& state) {
    Bulkhead bulkhead{{.limit = 1, .queue = 0}};
    auto held = bulkhead.try_acquire();
    for (auto _ : state) {
        auto slot = bulkhead.acquire();
        bool admitted{slot};
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(bulkhead_refuse_to_wait);

// A caller queues up, is served by the one before, and takes over.
void bulkhead_hand_over(benchmark::State& state) {
    struct Waiter final : detail::BulkheadWaiter {
        void wake() noexcept override {}
    };
    Bulkhead bulkhead{{.limit = 1, .queue = 1}};
    const TimePoint now{1h};
    auto slot = bulkhead.try_acquire();
    for (auto _ : state) {
        Waiter waiter;
        bulkhead.enlist(waiter, TimePoint::max(), now);
        std::move(slot).done(Verdict::success, now);
        slot = bulkhead.settle(waiter, detail::WaitEnd::expired, now);
    }
}
BENCHMARK(bulkhead_hand_over);

void adaptive_limit_call(benchmark::State& state) {
    TimePoint now{1h};
    AdaptiveLimit limit{{}, {}, now};
    for (auto _ : state) {
        auto permit = limit.try_acquire(now);
        now += 10us;
        std::move(permit).done(Verdict::success, now);
    }
}
BENCHMARK(adaptive_limit_call);

void adaptive_limit_refuse(benchmark::State& state) {
    const TimePoint now{1h};
    AdaptiveLimit limit{{.initial = 1}, {}, now};
    auto held = limit.try_acquire(now);
    for (auto _ : state) {
        auto permit = limit.try_acquire(now);
        bool admitted{permit};
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(adaptive_limit_refuse);

}  // namespace

BENCHMARK_MAIN();
