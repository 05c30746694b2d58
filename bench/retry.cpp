// SPDX-License-Identifier: MIT
// What retries, their budget and a throttle cost next to what they are made of: a bare
// compare-and-swap and a bare clock read, in the same run. Compare medians:
//
//   retry --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
#include <resilience/retry_budget.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/throttle.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

constexpr TimePoint kNoDeadline = RetryState::no_deadline;

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

// One call by hand: what happens around an operation whose first attempt succeeds.
template <class Deposit>
void first_attempt_succeeds(
    benchmark::State& state, RetryBudget* budget, Deposit deposit
) {
    const RetryPolicy policy;
    std::error_code success;
    for (auto _ : state) {
        benchmark::DoNotOptimize(success);
        deposit();
        RetryState call{policy};
        BudgetLease lease;
        lease.sent();
        const Classification end = classify(success);
        std::move(lease).done(end.verdict);
        RetryDecision again = call.next(end, TimePoint{1h}, kNoDeadline, 0, budget);
        bool done = !again;
        benchmark::DoNotOptimize(done);
    }
}

void first_attempt_succeeds_alone(benchmark::State& state) {
    first_attempt_succeeds(state, nullptr, [] {});
}
BENCHMARK(first_attempt_succeeds_alone);

void first_attempt_succeeds_full_budget(benchmark::State& state) {
    RetryBudget budget{{.initial = 500}, TimePoint{1h}};
    first_attempt_succeeds(state, &budget, [&, now = TimePoint{1h}]() mutable {
        budget.deposit(now += 100ns);
    });
}
BENCHMARK(first_attempt_succeeds_full_budget);

// Each call finds the budget less than full, so each deposit is an exchange.
void first_attempt_succeeds_filling_budget(benchmark::State& state) {
    RetryBudget budget{{.cap = 1'000'000, .initial = 0}, TimePoint{1h}};
    std::int64_t calls = 0;
    first_attempt_succeeds(state, &budget, [&, now = TimePoint{1h}]() mutable {
        budget.deposit(now += 100ns);
        if (++calls % 500'000 != 0) return;
        for (int i = 0; i < 50'000; ++i) {
            budget.try_withdraw(Verdict::transient, now).sent();
        }
    });
}
BENCHMARK(first_attempt_succeeds_filling_budget);

void failure_to_decision(benchmark::State& state, const RetryOptions& options) {
    const RetryPolicy policy{options};
    std::uint64_t random = 1;
    for (auto _ : state) {
        RetryState call{policy};
        random = random * 6364136223846793005u + 1442695040888963407u;
        RetryDecision again =
            call.next({Verdict::transient}, TimePoint{1h}, TimePoint{2h}, random);
        std::chrono::nanoseconds delay = again.delay;
        benchmark::DoNotOptimize(delay);
    }
}
BENCHMARK_CAPTURE(failure_to_decision, full_jitter, RetryOptions{});
BENCHMARK_CAPTURE(
    failure_to_decision, decorrelated, RetryOptions{.jitter = Jitter::decorrelated}
);

void withdraw_and_refund(benchmark::State& state) {
    RetryBudget budget{{.min_per_sec = 0}, TimePoint{1h}};
    for (auto _ : state) {
        const BudgetLease lease = budget.try_withdraw(Verdict::transient, TimePoint{1h});
        bool granted{lease};
        benchmark::DoNotOptimize(granted);
    }
}
BENCHMARK(withdraw_and_refund);

void withdraw_refused(benchmark::State& state) {
    RetryBudget budget{{.min_per_sec = 0, .initial = 0}, TimePoint{1h}};
    for (auto _ : state) {
        const BudgetLease lease = budget.try_withdraw(Verdict::transient, TimePoint{1h});
        bool granted{lease};
        benchmark::DoNotOptimize(granted);
    }
}
BENCHMARK(withdraw_refused);

void deposit_shared(benchmark::State& state) {
    static RetryBudget budget{{.initial = 500}, TimePoint{1h}};
    TimePoint now{2h};
    for (auto _ : state) budget.deposit(now += 100ns);
}
BENCHMARK(deposit_shared)->ThreadRange(1, 2)->UseRealTime();

void throttled_call(benchmark::State& state, Verdict end) {
    Throttle<> throttle{{.grace = 0}, {}, TimePoint{1h}};
    TimePoint now{1h};
    for (auto _ : state) {
        now += 100ns;
        auto permit = throttle.try_acquire(now);
        std::move(permit).done(end, now);
    }
}
BENCHMARK_CAPTURE(throttled_call, success, Verdict::success);
BENCHMARK_CAPTURE(throttled_call, mostly_refused, Verdict::transient);

}  // namespace

BENCHMARK_MAIN();
