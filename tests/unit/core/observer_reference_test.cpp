// SPDX-License-Identifier: MIT
// Each policy with an observer that is somebody else's, and can be neither copied nor
// moved.
#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/outcome.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/shared_circuit_breaker.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

/// Counts whatever it is told.
struct Counter {
    Counter() = default;
    Counter(const Counter&) = delete;
    Counter& operator=(const Counter&) = delete;

    template <class Event>
    void on(const Event&) noexcept {
        ++events;
    }

    std::atomic<int> events{0};
};

}  // namespace

TEST_CASE("every policy takes its observer by reference") {
    Counter counter;
    const auto is_observed_by = [&](auto& policy) {
        return &policy.observer() == &counter;
    };
    CircuitBreaker<Counter&> breaker{{}, counter};
    CHECK(is_observed_by(breaker));
    SharedCircuitBreaker<Counter&> shared{{}, counter};
    CHECK(is_observed_by(*shared));
    Bulkhead<Counter&> bulkhead{{}, counter};
    CHECK(is_observed_by(bulkhead));
    AdaptiveLimit<Counter&> limit{{}, counter};
    CHECK(is_observed_by(limit));
    Throttle<Counter&> throttle{{}, counter};
    Retry<Counter&> retry{{}, nullptr, counter};
    CHECK(is_observed_by(retry));
    RetryBudget budget;
    Hedge<Counter&> hedge{{.idempotent = true}, budget, counter};
    Timeout<Counter&> timeout{{}, counter};
    Chaos<NoOutcome, Counter&> chaos{{}, {}, counter};
    Fallback<int, FailureOrRefusal, Counter&> fallback{1, {}, counter};
    WorkerPool<Counter&> pool{{.threads = 1}, counter};
    CHECK(is_observed_by(pool));

    timeout.judge_late({Verdict::abandoned});
    breaker.force_open();
    CHECK(
        fallback.run([]() -> Outcome<int> { return fail(Errc::unavailable); }).value() ==
        1
    );
    CHECK(counter.events == 3);
}

TEST_CASE("a policy that a pipeline keeps brings along whom it observes by reference") {
    Counter counter;
    Pipeline pipeline{
        NoDeadline{},
        Retry<Counter&>{{.attempts = 1}, nullptr, counter},
        Timeout<Counter&>{{}, counter}};
    (void
    )pipeline.run([](CallContext&) -> Outcome<int> { return fail(Errc::unavailable); });
    CHECK(counter.events == 1);
    pipeline.stage<2>().judge_late({Verdict::abandoned});
    CHECK(counter.events == 2);
}
