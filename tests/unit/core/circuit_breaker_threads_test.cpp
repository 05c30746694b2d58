// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/random.hpp>
#include <resilience/shared_circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "unit/core/circuit_calls.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// Counts what several threads are told.
struct Tally {
    std::atomic<std::uint64_t> transitions{0};
    std::atomic<std::uint64_t> generations{0};
    std::atomic<std::uint64_t> probes{0};
    std::atomic<std::uint64_t> stale{0};
};

struct Counter {
    Tally* tally;
    void on(const CircuitTransition& e) noexcept {
        ++tally->transitions;
        tally->generations += e.generation;
    }
    void on(const CircuitProbe&) noexcept { ++tally->probes; }
    void on(const CircuitStale&) noexcept { ++tally->stale; }
};

constexpr Verdict kVerdicts[] = {
    Verdict::success,
    Verdict::success,
    Verdict::slow,
    Verdict::client_error,
    Verdict::transient,
    Verdict::throttled,
    Verdict::ignored,
    Verdict::abandoned};

/// Runs `program(random, now)` many times on several threads; each turn moves the time.
template <class Program>
void run_threads(std::uint32_t turns, Program program) {
    std::atomic<std::int64_t> now{0};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            Random random{t + 1};
            for (std::uint32_t i = 0; i < turns; ++i) {
                const std::int64_t us = now.fetch_add(250);
                program(random, t0 + std::chrono::microseconds{us});
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

CircuitBreakerOptions restless(const WindowOptions& window) {
    return {
        .window = window,
        .failure_ratio = 0.3,
        .min_calls = 5,
        .open_for = 2ms,
        .probes = 3,
        .close_after = 2,
        .probe_lease = 1h,
        .slow_start = 1ms};
}

constexpr TimePoint kEnd = t0 + 1h - 1min;

}  // namespace

TEST_CASE("whatever threads do, every probe comes back and every transition is told once"
) {
    for (const WindowOptions& window :
         {WindowOptions{TimeWindowOptions{.length = 20ms, .buckets = 4, .stripes = 2}},
          WindowOptions{CountWindowOptions{.calls = 10}}}) {
        Tally tally;
        CircuitBreaker breaker{restless(window), Counter{&tally}};
        run_threads(15'000, [&](Random& random, TimePoint now) {
            auto permit = breaker.try_acquire(now);
            if (!permit) return;
            if (random() % 64 == 0) std::this_thread::yield();
            auto moved = std::move(permit);
            if (random() % 16 == 0) return;  // destroyed
            std::move(moved).done(kVerdicts[random() % 8], now);
        });
        const CircuitSnapshot end = breaker.snapshot(t0);
        CHECK(end.probes_in_flight == 0);
        const std::uint64_t n = tally.transitions;
        CHECK(n > 0);
        CHECK(end.generation == n);
        CHECK(tally.generations == n * (n + 1) / 2);
        CHECK(tally.probes > 0);
        // The lease is far away: only slots that came back can close the circuit.
        for (int i = 0; i < 10; ++i) call(breaker, Verdict::success, kEnd);
        CHECK(breaker.state(kEnd) == CircuitState::closed);
    }
}

TEST_CASE("commands and new settings in the midst of calls lose no probe") {
    Tally tally;
    CircuitBreaker breaker{restless(TimeWindowOptions{.length = 20ms}), Counter{&tally}};
    run_threads(5'000, [&](Random& random, TimePoint now) {
        switch (random() % 200) {
            case 0:
                breaker.force_open();
                break;
            case 1:
                breaker.force_closed();
                break;
            case 2:
                breaker.metrics_only();
                break;
            case 3:
            case 4:
            case 5:
                breaker.reset();
                break;
            case 6: {
                CircuitBreakerOptions options = restless(CountWindowOptions{.calls = 9});
                options.probes = 2 + random() % 4;
                if (random() % 2 == 0) options.window = TimeWindowOptions{.length = 1s};
                breaker.reconfigure(options);
                break;
            }
            case 7:
                breaker.poll(now);
                (void)breaker.snapshot(now);
                break;
            default:
                if (auto permit = breaker.try_acquire(now)) {
                    std::move(permit).done(kVerdicts[random() % 8], now);
                }
        }
    });
    CHECK(breaker.snapshot(t0).generation == tally.transitions % (1u << 19));
    if (breaker.state(kEnd) == CircuitState::forced_open) breaker.reset();
    if (breaker.snapshot(t0).state == CircuitState::half_open) {
        CHECK(breaker.snapshot(t0).probes_in_flight == 0);
    }
    CHECK(call(breaker, Verdict::success, kEnd));
}

TEST_CASE("no more probes are under way at once than allowed, on any number of threads") {
    for (int round = 0; round < 200; ++round) {
        CircuitBreakerOptions options = quick();
        options.probes = 3;
        options.close_after = 3;
        CircuitBreaker breaker{options};
        open(breaker);
        std::atomic<int> admitted{0};
        std::barrier arrived{3};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                std::vector<CircuitBreaker<>::Permit> permits;
                for (int i = 0; i < 4; ++i) {
                    permits.push_back(breaker.try_acquire(t0 + 1s));
                    if (permits.back()) ++admitted;
                }
                arrived.arrive_and_wait();
                for (auto& permit : permits) std::move(permit).done(Verdict::ignored, t0);
            });
        }
        for (std::thread& thread : threads) thread.join();
        CHECK(admitted == 3);
        CHECK(breaker.snapshot(t0).probes_in_flight == 0);
    }
}

TEST_CASE("failures of two threads that together reach the limit open the circuit") {
    for (int round = 0; round < 200; ++round) {
        CircuitBreaker breaker{
            {.window = TimeWindowOptions{.length = 16s, .stripes = 8},
             .failure_ratio = 1.0,
             .min_calls = 2}};
        std::vector<std::thread> threads;
        for (int t = 0; t < 2; ++t) {
            threads.emplace_back([&] { call(breaker, Verdict::transient); });
        }
        for (std::thread& thread : threads) thread.join();
        CHECK(breaker.state(t0) == CircuitState::open);
    }
}

TEST_CASE("the last permit of a shared breaker may end on any thread") {
    for (int round = 0; round < 200; ++round) {
        auto permit = SharedCircuitBreaker{quick()}.try_acquire(t0);
        std::thread thread{[moved = std::move(permit)]() mutable {
            std::move(moved).done(Verdict::transient, t0);
        }};
        thread.join();
    }
}
