// SPDX-License-Identifier: MIT
// What the other limiters cost next to a TokenBucket, a bare compare-and-swap and a bare
// clock read in the same run: with the time injected, and with the clock that they read
// by default. Compare medians:
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
#include <optional>
#include <type_traits>

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

// The macro takes no template arguments.
template <class Limiter>
constexpr std::type_identity<Limiter> limiter;

/// Time moves on such that every call is admitted.
template <class Limiter>
void admit(
    benchmark::State& state,
    std::type_identity<Limiter>,
    const typename Limiter::Options& options
) {
    Limiter object{options};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 40us;
        bool admitted = object.try_acquire(1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}

/// So many are allowed that every call is admitted.
template <class Limiter>
void admit_with_clock(
    benchmark::State& state,
    std::type_identity<Limiter>,
    const typename Limiter::Options& options
) {
    Limiter object{options};
    for (auto _ : state) {
        bool admitted = object.try_acquire().admitted;
        benchmark::DoNotOptimize(admitted);
    }
}

template <class Limiter>
void refuse(
    benchmark::State& state,
    std::type_identity<Limiter>,
    const typename Limiter::Options& options
) {
    Limiter object{options};
    TimePoint now{1h + 1ms};
    while (object.try_acquire(1, now)) {
    }
    for (auto _ : state) {
        std::chrono::nanoseconds wait = object.try_acquire(1, now).retry_after;
        benchmark::DoNotOptimize(wait);
    }
}

constexpr std::uint32_t kLimit = 30'000;
constexpr TokenBucketOptions kTokens{.tokens = kLimit, .period = 1s, .burst = kLimit};
constexpr LeakyBucketOptions kUnits{.units = kLimit, .period = 1s, .capacity = kLimit};

BENCHMARK_CAPTURE(admit, token_bucket, limiter<TokenBucket>, kTokens);
BENCHMARK_CAPTURE(admit, leaky_bucket, limiter<LeakyBucket>, kUnits);
BENCHMARK_CAPTURE(
    admit, fixed_window, limiter<FixedWindow>, FixedWindowOptions{.limit = kLimit}
);
BENCHMARK_CAPTURE(
    admit, sliding_window, limiter<SlidingWindow>, SlidingWindowOptions{.limit = kLimit}
);
BENCHMARK_CAPTURE(refuse, token_bucket, limiter<TokenBucket>, kTokens);
BENCHMARK_CAPTURE(refuse, leaky_bucket, limiter<LeakyBucket>, kUnits);
BENCHMARK_CAPTURE(
    refuse, fixed_window, limiter<FixedWindow>, FixedWindowOptions{.limit = kLimit}
);
BENCHMARK_CAPTURE(
    refuse, sliding_window, limiter<SlidingWindow>, SlidingWindowOptions{.limit = kLimit}
);

constexpr std::uint32_t kMost = 1'000'000'000;

BENCHMARK_CAPTURE(
    admit_with_clock,
    token_bucket,
    limiter<TokenBucket>,
    TokenBucketOptions{.tokens = kMost, .period = 1s, .burst = kMost}
);
BENCHMARK_CAPTURE(
    admit_with_clock,
    leaky_bucket,
    limiter<LeakyBucket>,
    LeakyBucketOptions{.units = kMost, .period = 1s, .capacity = kMost}
);
BENCHMARK_CAPTURE(
    admit_with_clock,
    fixed_window,
    limiter<FixedWindow>,
    FixedWindowOptions{.limit = kMost}
);
BENCHMARK_CAPTURE(
    admit_with_clock,
    sliding_window,
    limiter<SlidingWindow>,
    SlidingWindowOptions{.limit = kMost / 2, .window = 24h * 365 * 15}
);

// Threads share one limiter, and time moves on such that every call is admitted: each run
// has a limiter of its own, since time begins anew.
template <class Limiter>
void admit_shared(
    benchmark::State& state,
    std::type_identity<Limiter>,
    const typename Limiter::Options& options
) {
    static std::optional<Limiter> object;
    if (state.thread_index() == 0) object.emplace(options);
    TimePoint now{1h};
    std::int64_t refused = 0;
    for (auto _ : state) {
        now += 2ns;
        if (!object->try_acquire(1, now)) ++refused;
    }
    if (refused > 0) state.SkipWithError("a call was refused");
}

constexpr TokenBucketOptions kPlentiful{
    .tokens = 1'000'000'000, .period = 1s, .burst = 1u << 31};

BENCHMARK_CAPTURE(admit_shared, token_bucket, limiter<TokenBucket>, kPlentiful)
    ->ThreadRange(1, 2)
    ->UseRealTime();
BENCHMARK_CAPTURE(
    admit_shared,
    striped_token_bucket,
    limiter<StripedTokenBucket>,
    StripedTokenBucketOptions{.limit = kPlentiful}
)
    ->ThreadRange(1, 2)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
