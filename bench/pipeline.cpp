// SPDX-License-Identifier: MIT
// What a Pipeline of five policies costs next to what it is made of: a bare
// compare-and-swap and a bare clock read, in the same run. With the time injected, only
// the policies are measured; with the system's clock, the two reads are added. Compare
// medians:
//
//   bench_pipeline --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/token_bucket.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <system_error>

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
BENCHMARK(bare_compare_and_swap);

void bare_clock_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Clock::now());
}
BENCHMARK(bare_clock_read);

void two_bare_clock_reads(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(Clock::now());
        benchmark::DoNotOptimize(Clock::now());
    }
}
BENCHMARK(two_bare_clock_reads);

/// Time that costs nothing to read, and moves on with each reading.
struct Injected {
    TimePoint now() const noexcept { return *time += 100ns; }
    std::uint64_t random() const noexcept { return 0; }
    bool sleep_until(TimePoint, const std::stop_token&) const noexcept { return true; }

    TimePoint* time;
};

struct Policies {
    Deadline deadline{1s};
    Retry<> retry;
    TokenBucket bucket{{.tokens = 1'000'000'000, .period = 1s, .burst = 1u << 31}};
    CircuitBreaker<> breaker{{.window = CountWindowOptions{}}};
    Bulkhead<> bulkhead{{.limit = 64}};
};

auto pipeline_of(Policies& p) {
    return Pipeline{p.deadline, p.retry, p.bucket, p.breaker, p.bulkhead};
}

int answer(CallContext&) { return 42; }
std::error_code no_error(CallContext&) { return {}; }
Outcome<int> outcome(CallContext&) { return 42; }

template <class Pipeline, class Operation>
void measure(benchmark::State& state, Pipeline& pipeline, Operation operation) {
    for (auto _ : state) {
        auto result = pipeline.run(operation);
        benchmark::DoNotOptimize(result);
    }
}

template <class Operation>
void five_policies_time_injected(benchmark::State& state, Operation operation) {
    Policies policies;
    TimePoint time{1h};
    auto pipeline = pipeline_of(policies).with(Injected{&time});
    measure(state, pipeline, operation);
}
BENCHMARK_CAPTURE(five_policies_time_injected, code, no_error);
BENCHMARK_CAPTURE(five_policies_time_injected, value, answer);
BENCHMARK_CAPTURE(five_policies_time_injected, outcome, outcome);

template <class Operation>
void five_policies(benchmark::State& state, Operation operation) {
    Policies policies;
    auto pipeline = pipeline_of(policies);
    measure(state, pipeline, operation);
}
BENCHMARK_CAPTURE(five_policies, code, no_error);
BENCHMARK_CAPTURE(five_policies, value, answer);
BENCHMARK_CAPTURE(five_policies, outcome, outcome);

void refused_by_an_open_breaker(benchmark::State& state) {
    Policies policies;
    policies.breaker.force_open();
    TimePoint time{1h};
    auto pipeline = pipeline_of(policies).with(Injected{&time});
    measure(state, pipeline, no_error);
}
BENCHMARK(refused_by_an_open_breaker);

// The same policies by hand, in the same order: what a pipeline might cost at best.
void by_hand_time_injected(benchmark::State& state) {
    Policies p;
    CallContext context;
    TimePoint time{1h};
    const Injected clock{&time};
    for (auto _ : state) {
        const TimePoint now = clock.now();
        context.deadline = p.deadline.timeout().deadline(now);
        RetryState attempts{p.retry.policy()};
        if (p.bucket.try_acquire(1, now)) {
            if (auto permit = p.breaker.try_acquire(now)) {
                if (auto slot = p.bulkhead.try_acquire()) {
                    const std::error_code error = no_error(context);
                    const Classification end = classify(error);
                    const TimePoint then = clock.now();
                    std::move(slot).done(end.verdict, then);
                    std::move(permit).done(end.verdict, then);
                    auto again = attempts.next(end, then, context.deadline, 0);
                    benchmark::DoNotOptimize(again);
                }
            }
        }
    }
}
BENCHMARK(by_hand_time_injected);

}  // namespace

BENCHMARK_MAIN();
