// SPDX-License-Identifier: MIT
// What the other limiters cost next to a TokenBucket and a bare compare-and-swap, time
// injected. Compare medians:
//
//   limiters --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/fixed_window.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/sliding_window.hpp>
#include <resilience/striped_token_bucket.hpp>
#include <resilience/token_bucket.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>

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

/// Time moves on such that every call is admitted.
template <class Limiter>
void admit(benchmark::State& state, const typename Limiter::Options& options) {
    Limiter limiter{options};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 40us;
        bool admitted = limiter.try_acquire(1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}

template <class Limiter>
void refuse(benchmark::State& state, const typename Limiter::Options& options) {
    Limiter limiter{options};
    TimePoint now{1h + 1ms};
    while (limiter.try_acquire(1, now)) {
    }
    for (auto _ : state) {
        std::chrono::nanoseconds wait = limiter.try_acquire(1, now).retry_after;
        benchmark::DoNotOptimize(wait);
    }
}

constexpr std::uint32_t kLimit = 30'000;
constexpr TokenBucketOptions kTokens{.tokens = kLimit, .period = 1s, .burst = kLimit};
constexpr LeakyBucketOptions kUnits{.units = kLimit, .period = 1s, .capacity = kLimit};

BENCHMARK_CAPTURE(admit<TokenBucket>, token_bucket, kTokens);
BENCHMARK_CAPTURE(admit<LeakyBucket>, leaky_bucket, kUnits);
BENCHMARK_CAPTURE(admit<FixedWindow>, fixed_window, FixedWindowOptions{.limit = kLimit});
BENCHMARK_CAPTURE(
    admit<SlidingWindow>, sliding_window, SlidingWindowOptions{.limit = kLimit}
);
BENCHMARK_CAPTURE(refuse<TokenBucket>, token_bucket, kTokens);
BENCHMARK_CAPTURE(refuse<LeakyBucket>, leaky_bucket, kUnits);
BENCHMARK_CAPTURE(refuse<FixedWindow>, fixed_window, FixedWindowOptions{.limit = kLimit});
BENCHMARK_CAPTURE(
    refuse<SlidingWindow>, sliding_window, SlidingWindowOptions{.limit = kLimit}
);

// Threads share one limiter, and time moves on such that every call is admitted.
template <class Limiter>
void admit_shared(benchmark::State& state, const typename Limiter::Options& options) {
    static Limiter limiter{options};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 2ns;
        bool admitted = limiter.try_acquire(1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}

constexpr TokenBucketOptions kPlentiful{
    .tokens = 1'000'000'000, .period = 1s, .burst = 1u << 31};

BENCHMARK_CAPTURE(admit_shared<TokenBucket>, token_bucket, kPlentiful)
    ->ThreadRange(1, 2)
    ->UseRealTime();
BENCHMARK_CAPTURE(
    admit_shared<StripedTokenBucket>,
    striped_token_bucket,
    StripedTokenBucketOptions{.limit = kPlentiful}
)
    ->ThreadRange(1, 2)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
