// SPDX-License-Identifier: MIT
// What a CircuitBreaker costs next to what it is made of: a bare compare-and-swap and a
// bare clock read, in the same run. A call is an admission and its outcome. Compare
// medians:
//
//   circuit_breaker --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/circuit_breaker.hpp>
#include <resilience/shared_circuit_breaker.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

// No mixture of outcomes in here opens the circuit.
CircuitBreakerOptions with(const WindowOptions& window) {
    CircuitBreakerOptions options{.window = window, .failure_ratio = 1.0};
    options.slow_after = 1s;
    options.consecutive_failures = 1000;
    return options;
}

const CircuitBreakerOptions kTime = with(TimeWindowOptions{});
const CircuitBreakerOptions kStriped = with(TimeWindowOptions{.stripes = 16});
const CircuitBreakerOptions kCount = with(CountWindowOptions{});
const CircuitBreakerOptions kConsecutive = with(ConsecutiveWindowOptions{});

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

void success(benchmark::State& state, const CircuitBreakerOptions& options) {
    CircuitBreaker breaker{options};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 100ns;
        if (auto permit = breaker.try_acquire(now)) {
            std::move(permit).done(Verdict::success, now);
        }
    }
}
BENCHMARK_CAPTURE(success, consecutive_window, kConsecutive);
BENCHMARK_CAPTURE(success, count_window, kCount);
BENCHMARK_CAPTURE(success, time_window, kTime);
BENCHMARK_CAPTURE(success, time_window_striped, kStriped);

void tenth_fails(benchmark::State& state, const CircuitBreakerOptions& options) {
    CircuitBreaker breaker{options};
    TimePoint now{1h};
    std::uint32_t n = 0;
    for (auto _ : state) {
        now += 100ns;
        const Verdict verdict = ++n % 10 == 0 ? Verdict::transient : Verdict::success;
        if (auto permit = breaker.try_acquire(now)) {
            std::move(permit).done(verdict, now);
        }
    }
}
BENCHMARK_CAPTURE(tenth_fails, consecutive_window, kConsecutive);
BENCHMARK_CAPTURE(tenth_fails, count_window, kCount);
BENCHMARK_CAPTURE(tenth_fails, time_window, kTime);

void success_shared(benchmark::State& state, const CircuitBreakerOptions& options) {
    static CircuitBreaker<>* breaker = nullptr;
    if (state.thread_index() == 0) breaker = new CircuitBreaker<>{options};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 100ns;
        if (auto permit = breaker->try_acquire(now)) {
            std::move(permit).done(Verdict::success, now);
        }
    }
    if (state.thread_index() == 0) delete breaker;
}
BENCHMARK_CAPTURE(success_shared, consecutive_window, kConsecutive)
    ->Threads(2)
    ->UseRealTime();
BENCHMARK_CAPTURE(success_shared, count_window, kCount)->Threads(2)->UseRealTime();
BENCHMARK_CAPTURE(success_shared, time_window, kTime)->Threads(2)->UseRealTime();
BENCHMARK_CAPTURE(success_shared, time_window_striped, kStriped)
    ->Threads(2)
    ->UseRealTime();

// What is shared of a breaker's calls, alone.
void record_shared(benchmark::State& state, const TimeWindowOptions& options) {
    static std::optional<TimeWindow> window;
    if (state.thread_index() == 0) window.emplace(options);
    TimePoint now{1h};
    for (auto _ : state) {
        now += 100ns;
        window->record(0, {}, now);
    }
}
BENCHMARK_CAPTURE(record_shared, time_window, TimeWindowOptions{})
    ->ThreadRange(1, 2)
    ->UseRealTime();
BENCHMARK_CAPTURE(record_shared, time_window_striped, TimeWindowOptions{.stripes = 16})
    ->ThreadRange(1, 2)
    ->UseRealTime();

void success_with_clock(benchmark::State& state, const CircuitBreakerOptions& options) {
    CircuitBreaker breaker{options};
    for (auto _ : state) {
        if (auto permit = breaker.try_acquire()) {
            std::move(permit).done(Verdict::success);
        }
    }
}
BENCHMARK_CAPTURE(success_with_clock, count_window, kCount);
BENCHMARK_CAPTURE(success_with_clock, time_window, kTime);

void success_counted_handle(benchmark::State& state) {
    SharedCircuitBreaker breaker{kCount};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 100ns;
        if (auto permit = breaker.try_acquire(now)) {
            std::move(permit).done(Verdict::success, now);
        }
    }
}
BENCHMARK(success_counted_handle);

void refusal(benchmark::State& state) {
    CircuitBreakerOptions options;
    options.open_for = 24h;
    options.consecutive_failures = 1;
    CircuitBreaker breaker{options};
    TimePoint now{1h};
    breaker.try_acquire(now).done(Verdict::transient, now);
    for (auto _ : state) {
        now += 1ns;
        auto permit = breaker.try_acquire(now);
        benchmark::DoNotOptimize(permit.retry_after());
    }
}
BENCHMARK(refusal);

void refusal_with_clock(benchmark::State& state) {
    CircuitBreakerOptions options;
    options.open_for = 24h;
    options.consecutive_failures = 1;
    CircuitBreaker breaker{options};
    breaker.try_acquire().done(Verdict::transient);
    for (auto _ : state) {
        auto permit = breaker.try_acquire();
        benchmark::DoNotOptimize(permit.retry_after());
    }
}
BENCHMARK(refusal_with_clock);

void trip_probe_and_close(benchmark::State& state) {
    CircuitBreakerOptions options;
    options.consecutive_failures = 1;
    options.probes = 1;
    options.close_after = 1;
    options.open_for = 1ms;
    CircuitBreaker breaker{options};
    TimePoint now{1h};
    for (auto _ : state) {
        breaker.try_acquire(now).done(Verdict::transient, now);
        now += 1ms;
        breaker.try_acquire(now).done(Verdict::success, now);
    }
}
BENCHMARK(trip_probe_and_close);

}  // namespace

BENCHMARK_MAIN();
