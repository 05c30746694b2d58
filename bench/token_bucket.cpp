// SPDX-License-Identifier: MIT
// What TokenBucket costs next to what it is made of: a bare compare-and-swap and a bare
// clock read, in the same run. Compare medians:
//
//   token_bucket --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/clock.hpp>
#include <resilience/token_bucket.hpp>
#include <resilience/tsc_clock.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace {

using namespace std::chrono_literals;
using resilience::Clock;
using resilience::TimePoint;
using resilience::TokenBucket;
using resilience::TokenBucketOptions;

constexpr TokenBucketOptions kPlentiful{
    .tokens = 1'000'000'000, .period = 1s, .burst = 1u << 31};
constexpr TokenBucketOptions kScarce{.tokens = 100, .period = 1s, .burst = 100};
constexpr TokenBucketOptions kOdd{.tokens = 999'983, .period = 1s, .burst = 1u << 31};

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

void bare_coarse_clock_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(resilience::CoarseClock::now());
}
BENCHMARK(bare_coarse_clock_read);

void bare_counter_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(resilience::detail::TscCounter::read());
}
BENCHMARK(bare_counter_read);

void tsc_clock_read(benchmark::State& state) {
    const resilience::TscClock clock;
    for (auto _ : state) benchmark::DoNotOptimize(clock.now());
    state.SetLabel(clock.counting() ? "counting" : "falls back to the system's clock");
}
BENCHMARK(tsc_clock_read);

// Time moves on by one token's worth with each call, so every call is admitted.
void admit(benchmark::State& state, const TokenBucketOptions& options) {
    TokenBucket bucket{options};
    const auto step = options.period / options.tokens + 1ns;
    TimePoint now{1h};
    for (auto _ : state) {
        now += step;
        bool admitted = bucket.try_acquire(1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK_CAPTURE(admit, one_per_nanosecond, kPlentiful);
BENCHMARK_CAPTURE(admit, hundred_a_second, kScarce);
BENCHMARK_CAPTURE(admit, odd_rate, kOdd);

void refuse(benchmark::State& state, const TokenBucketOptions& options) {
    TokenBucket bucket{options};
    TimePoint now{1h};
    bucket.charge(1u << 31, now);
    bucket.charge(1u << 31, now);
    for (auto _ : state) {
        std::chrono::nanoseconds wait = bucket.try_acquire(1, now).retry_after;
        benchmark::DoNotOptimize(wait);
    }
}
BENCHMARK_CAPTURE(refuse, hundred_a_second, kScarce);
BENCHMARK_CAPTURE(refuse, odd_rate, kOdd);

void admit_with_clock(benchmark::State& state) {
    TokenBucket bucket{kPlentiful};
    for (auto _ : state) {
        bool admitted = bucket.try_acquire().admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_with_clock);

void admit_with_coarse_clock(benchmark::State& state) {
    TokenBucket bucket{kPlentiful};
    for (auto _ : state) {
        bool admitted = bucket.try_acquire(1, resilience::CoarseClock::now()).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_with_coarse_clock);

void admit_with_tsc_clock(benchmark::State& state) {
    const resilience::TscClock clock;
    TokenBucket bucket{kPlentiful};
    for (auto _ : state) {
        bool admitted = bucket.try_acquire(1, clock.now()).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_with_tsc_clock);

void admit_shared(benchmark::State& state) {
    static TokenBucket bucket{kPlentiful};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 2ns;
        bool admitted = bucket.try_acquire(1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_shared)->ThreadRange(1, 2)->UseRealTime();

void reserve_and_refund(benchmark::State& state) {
    TokenBucket bucket{kScarce};
    const TimePoint now{1h};
    for (auto _ : state) {
        const auto r = bucket.reserve(1, now, 0ns);
        benchmark::DoNotOptimize(bucket.refund(r, now));
    }
}
BENCHMARK(reserve_and_refund);

}  // namespace

BENCHMARK_MAIN();
