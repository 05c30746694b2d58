// SPDX-License-Identifier: MIT
// What it costs to observe, next to a bare atomic addition and a bare compare-and-swap in
// the same run. Compare medians:
//
//   prometheus_observer --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/circuit_breaker.hpp>
#include <resilience/prometheus/metrics.hpp>
#include <resilience/registry.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

constexpr TimePoint now{1h};

void bare_compare_and_swap(benchmark::State& state) {
    static std::atomic<std::uint64_t> word{0};
    for (auto _ : state) {
        std::uint64_t seen = word.load(std::memory_order_relaxed);
        while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
        }
    }
}
BENCHMARK(bare_compare_and_swap)->ThreadRange(1, 2)->UseRealTime();

void bare_addition(benchmark::State& state) {
    static std::atomic<std::uint64_t> word{0};
    for (auto _ : state) word.fetch_add(1, std::memory_order_relaxed);
}
BENCHMARK(bare_addition)->ThreadRange(1, 2)->UseRealTime();

prometheus::Metrics& metrics() {
    static prometheus::Metrics metrics;
    return metrics;
}

void hook(benchmark::State& state) {
    const prometheus::Observer observer = metrics().observer("bench");
    const CircuitOutcome event{CircuitState::closed, Verdict::success, false};
    for (auto _ : state) observer.on(event);
}
BENCHMARK(hook)->ThreadRange(1, 2)->UseRealTime();

void request(benchmark::State& state) {
    const prometheus::Requests requests = metrics().requests("bench");
    for (auto _ : state) requests.record(Verdict::success, 3ms);
}
BENCHMARK(request)->ThreadRange(1, 2)->UseRealTime();

// A closed circuit that counts nothing but runs of failures, so that what is left to see
// is the observer.
template <class Breaker>
void call(benchmark::State& state, Breaker& breaker) {
    for (auto _ : state) breaker.try_acquire(now).done(Verdict::success, now);
}

void breaker_call_unobserved(benchmark::State& state) {
    CircuitBreaker breaker{CircuitBreakerOptions::mailflow()};
    call(state, breaker);
}
BENCHMARK(breaker_call_unobserved);

void breaker_call_observed(benchmark::State& state) {
    CircuitBreaker breaker{
        CircuitBreakerOptions::mailflow(), metrics().observer("bench")};
    call(state, breaker);
}
BENCHMARK(breaker_call_observed);

void scrape(benchmark::State& state) {
    prometheus::Metrics metrics;
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    for (int i = 0; i < state.range(0); ++i) {
        const std::string name = std::to_string(i);
        auto breaker = std::make_shared<CircuitBreaker<prometheus::Observer>>(
            CircuitBreakerOptions{}, metrics.observer(name)
        );
        if (registry->add(name, breaker)) state.SkipWithError("not added");
    }
    for (auto _ : state) benchmark::DoNotOptimize(metrics.serialize());
}
BENCHMARK(scrape)->Arg(1)->Arg(100)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
