// SPDX-License-Identifier: MIT
#include "unit/prometheus/exposed.hpp"

#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/prometheus/metrics.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace resilience::prometheus {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint t0{1h};

// A policy without an observer carries nothing for it, and its hooks are empty.
static_assert(std::is_empty_v<NoObserver>);
static_assert([] {
    NoObserver none;
    resilience::detail::notify(none, BulkheadRefused{});
    return true;
}());
struct Bare {
    resilience::detail::LiveSettings<RetryPolicy> policy;
    RetryBudget* budget;
};
static_assert(sizeof(Retry<>) == sizeof(Bare));
static_assert(sizeof(Retry<Observer>) == sizeof(Bare) + sizeof(Observer));

// It cannot throw into a policy, and cannot be made without metrics.
static_assert(noexcept(std::declval<Observer&>().on(CircuitOutcome{})));
static_assert(!std::is_default_constructible_v<Observer>);

TEST_CASE("A circuit breaker's calls, transitions and refusals are counted") {
    Metrics metrics;
    CircuitBreaker breaker{CircuitBreakerOptions::mailflow(), metrics.observer("mail")};
    breaker.try_acquire(t0).done(Verdict::success, t0);
    breaker.try_acquire(t0).done(Verdict::client_error, t0);
    breaker.try_acquire(t0).done(Verdict::slow, t0);
    { auto abandoned = breaker.try_acquire(t0); }
    auto stale = breaker.try_acquire(t0);
    for (int i = 0; i < 5; ++i) breaker.try_acquire(t0).done(Verdict::transient, t0);
    CHECK_FALSE(breaker.try_acquire(t0));
    CHECK_FALSE(breaker.try_acquire(t0));
    std::move(stale).done(Verdict::success, t0);
    for (int i = 0; i < 2; ++i)
        breaker.try_acquire(t0 + 30s).done(Verdict::success, t0 + 30s);

    const auto value = [&](const std::string& what) {
        return exposed(metrics, "resilience_circuit_breaker_" + what);
    };
    CHECK(value("successes_total{name=\"mail\"}") == "5");
    CHECK(value("failures_total{name=\"mail\"}") == "5");
    CHECK(value("slow_total{name=\"mail\"}") == "1");
    CHECK(value("abandoned_total{name=\"mail\"}") == "1");
    CHECK(value("stale_total{name=\"mail\"}") == "1");
    CHECK(value("refused_total{name=\"mail\"}") == "2");
    CHECK(value("probes_total{name=\"mail\"}") == "2");
    CHECK(value("transitions_total{name=\"mail\",to=\"open\"}") == "1");
    CHECK(value("transitions_total{name=\"mail\",to=\"half_open\"}") == "1");
    CHECK(value("transitions_total{name=\"mail\",to=\"closed\"}") == "1");
    CHECK(value("transitions_total{name=\"mail\",to=\"metrics_only\"}") == "0");
    CHECK(value("leases_expired_total{name=\"mail\"}") == "0");
}

TEST_CASE("Commands, lost probes and rules that throw are counted") {
    Metrics metrics;
    CircuitBreakerOptions options = CircuitBreakerOptions::mailflow();
    options.trip_if = [](const CallCounts&) -> bool { throw 1; };
    CircuitBreaker breaker{options, metrics.observer("mail")};
    breaker.force_open();
    breaker.force_closed();
    breaker.metrics_only();
    breaker.reset();
    for (int i = 0; i < 5; ++i) breaker.try_acquire(t0).done(Verdict::permanent, t0);
    std::vector<decltype(breaker.try_acquire())> probes;
    for (int i = 0; i < 3; ++i) probes.push_back(breaker.try_acquire(t0 + 30s));
    CHECK(breaker.try_acquire(t0 + 2min));

    const auto value = [&](const std::string& what) {
        return exposed(metrics, "resilience_circuit_breaker_" + what);
    };
    CHECK(value("transitions_total{name=\"mail\",to=\"forced_open\"}") == "1");
    CHECK(value("transitions_total{name=\"mail\",to=\"forced_closed\"}") == "1");
    CHECK(value("transitions_total{name=\"mail\",to=\"metrics_only\"}") == "1");
    CHECK(value("leases_expired_total{name=\"mail\"}") == "3");
    CHECK(value("trip_errors_total{name=\"mail\"}") == "4");
}

TEST_CASE("Retries are counted by cause, and calls that end by reason") {
    Metrics metrics;
    Observer observer = metrics.observer("orders");
    const RetryPolicy policy{{.attempts = 4}};
    RetryState state{policy};
    for (const Verdict verdict :
         {Verdict::transient,
          Verdict::throttled,
          Verdict::transient,
          Verdict::transient}) {
        (void)state.next({verdict}, t0, RetryState::no_deadline, 1, nullptr, observer);
    }
    RetryState second{policy};
    Classification refused{Verdict::ignored};
    refused.retry_after = 1s;
    (void)second.next(refused, t0, RetryState::no_deadline, 1, nullptr, observer);
    (void
    )second.next({Verdict::success}, t0, RetryState::no_deadline, 1, nullptr, observer);
    RetryState third{policy};
    (void)third.next(
        {Verdict::transient, true}, t0, RetryState::no_deadline, 1, nullptr, observer
    );
    RetryState fourth{policy};
    (void)fourth.next({Verdict::transient}, t0, t0, 1, nullptr, observer);

    const auto value = [&](const std::string& what) {
        return exposed(metrics, "resilience_retry_" + what);
    };
    CHECK(value("retries_total{name=\"orders\",cause=\"transient\"}") == "2");
    CHECK(value("retries_total{name=\"orders\",cause=\"throttled\"}") == "1");
    CHECK(value("retries_total{name=\"orders\",cause=\"ignored\"}") == "1");
    CHECK(value("stops_total{name=\"orders\",reason=\"attempts\"}") == "1");
    CHECK(value("stops_total{name=\"orders\",reason=\"succeeded\"}") == "1");
    CHECK(
        value("stops_total{name=\"orders\",reason=\"in_doubt_not_idempotent\"}") == "1"
    );
    CHECK(value("stops_total{name=\"orders\",reason=\"deadline\"}") == "1");
    CHECK(value("stops_total{name=\"orders\",reason=\"budget\"}") == "0");
}

TEST_CASE("Each reason why a call is not tried again has a counter of its own") {
    const std::pair<RetryStop, const char*> reasons[] = {
        {RetryStop::succeeded, "succeeded"},
        {RetryStop::permanent, "permanent"},
        {RetryStop::ignored, "ignored"},
        {RetryStop::abandoned, "abandoned"},
        {RetryStop::in_doubt_not_idempotent, "in_doubt_not_idempotent"},
        {RetryStop::attempts, "attempts"},
        {RetryStop::deadline, "deadline"},
        {RetryStop::budget, "budget"}};
    for (const auto& [reason, name] : reasons) {
        Metrics metrics;
        metrics.observer("x").on(RetryStopped{1, reason});
        const std::string series =
            std::string{"resilience_retry_stops_total{name=\"x\",reason=\""} + name +
            "\"}";
        CHECK(exposed(metrics, series) == "1");
    }
    Metrics metrics;
    metrics.observer("x").on(RetryStopped{1, RetryStop::none});
    CHECK(series_of(metrics, "resilience_retry_stops_total") == 0);
}

TEST_CASE("Each state of a circuit has a counter of its own") {
    for (const CircuitState state :
         {CircuitState::closed,
          CircuitState::open,
          CircuitState::half_open,
          CircuitState::forced_open,
          CircuitState::forced_closed,
          CircuitState::metrics_only}) {
        Metrics metrics;
        metrics.observer("x").on(CircuitTransition{CircuitState::closed, state, 1});
        const std::string series =
            std::string{"resilience_circuit_breaker_transitions_total{name=\"x\",to=\""} +
            to_string(state) + "\"}";
        CHECK(exposed(metrics, series) == "1");
    }
}

TEST_CASE("A bulkhead's refusals, waits and their length are counted") {
    Metrics metrics;
    Observer observer = metrics.observer("db");
    Bulkhead<Observer> bulkhead{{.limit = 1, .queue = 0}, observer};
    {
        auto slot = bulkhead.try_acquire();
        CHECK_FALSE(bulkhead.try_acquire());
    }
    observer.on(BulkheadQueued{1});
    observer.on(BulkheadWaited{{}, 250ms});
    observer.on(BulkheadWaited{Errc::bulkhead_full, 500ms});
    observer.on(BulkheadWaited{Errc::shed, 1s});
    observer.on(BulkheadWaited{Errc::cancelled, -1s});
    const auto value = [&](const std::string& what) {
        return exposed(metrics, "resilience_bulkhead_" + what);
    };
    CHECK(value("refused_total{name=\"db\"}") == "1");
    CHECK(value("queued_total{name=\"db\"}") == "1");
    CHECK(value("abandoned_total{name=\"db\"}") == "1");
    for (const char* end : {"granted", "expired", "shed", "cancelled"}) {
        CHECK(value(std::string{"waits_total{name=\"db\",end=\""} + end + "\"}") == "1");
    }
    CHECK(value("wait_seconds_total{name=\"db\"}") == "1.75");
}

TEST_CASE("The refusals of a throttle and the calls past a timeout are counted") {
    Metrics metrics;
    const Observer observer = metrics.observer("api");
    Throttle<Observer> throttle{{.grace = 0}, observer, t0};
    for (int i = 0; i < 100; ++i) {
        if (auto permit = throttle.try_acquire(t0, 0)) {
            std::move(permit).done(Verdict::transient, t0);
        }
    }
    CHECK(exposed(metrics, "resilience_throttle_refused_total{name=\"api\"}") != "none");

    Timeout<Observer> timeout{{.limit = 1s}, observer};
    timeout.judge_late({Verdict::transient});
    timeout.detach();
    CHECK(exposed(metrics, "resilience_timeout_timed_out_total{name=\"api\"}") == "2");
    CHECK(exposed(metrics, "resilience_timeout_detached_total{name=\"api\"}") == "1");
}

TEST_CASE("An adaptive limit's refusals and changes are counted") {
    Metrics metrics;
    const Observer observer = metrics.observer("api");
    AdaptiveLimit<Observer> limit{{.initial = 1, .floor = 1, .ceiling = 1}, observer, t0};
    {
        auto permit = limit.try_acquire(t0);
        CHECK_FALSE(limit.try_acquire(t0));
    }
    observer.on(LimitChanged{1, 2});
    observer.on(LimitChanged{2, 1});
    observer.on(LimitChanged{1, 1});
    const auto value = [&](const std::string& what) {
        return exposed(metrics, "resilience_adaptive_limit_" + what);
    };
    CHECK(value("refused_total{name=\"api\"}") == "1");
    CHECK(value("abandoned_total{name=\"api\"}") == "1");
    CHECK(value("changes_total{name=\"api\",direction=\"up\"}") == "1");
    CHECK(value("changes_total{name=\"api\",direction=\"down\"}") == "1");
}

TEST_CASE("Hedges, fallbacks and injected faults are counted") {
    Metrics metrics;
    const Observer observer = metrics.observer("api");
    RetryBudget budget{{.min_per_sec = 0, .initial = 14}, t0};
    Hedge<Observer> hedge{{.idempotent = true}, budget, observer};
    CHECK(hedge.try_start(1, t0));
    CHECK_FALSE(hedge.try_start(2, t0));
    observer.on(HedgeWon{1});
    CHECK(exposed(metrics, "resilience_hedge_hedges_total{name=\"api\"}") == "1");
    CHECK(exposed(metrics, "resilience_hedge_suppressed_total{name=\"api\"}") == "1");
    CHECK(exposed(metrics, "resilience_hedge_wins_total{name=\"api\"}") == "1");

    const FallbackCause cause{};
    observer.on(FallbackUsed{cause});
    CHECK(exposed(metrics, "resilience_fallback_used_total{name=\"api\"}") == "1");

    using Instead = ChaosAction::Instead;
    observer.on(ChaosInjected{{.instead = Instead::fault}});
    observer.on(ChaosInjected{{.instead = Instead::outcome}});
    observer.on(ChaosInjected{{.latency = 1s, .instead = Instead::fault}});
    observer.on(ChaosInjected{{.latency = 1s}});
    CHECK(exposed(metrics, "resilience_chaos_faults_total{name=\"api\"}") == "2");
    CHECK(exposed(metrics, "resilience_chaos_outcomes_total{name=\"api\"}") == "1");
    CHECK(exposed(metrics, "resilience_chaos_delayed_total{name=\"api\"}") == "2");
}

TEST_CASE("What becomes of a pool's tasks is counted by its reason") {
    Metrics metrics;
    const Observer observer = metrics.observer("jobs");
    WorkerPool<Observer> pool{{.threads = 1}, observer};
    REQUIRE(pool.try_submit([] { throw std::runtime_error{"broken"}; }));
    CHECK(pool.drain(Clock::now() + 1h).clean());
    CHECK_FALSE(pool.try_submit([] {}));
    observer.on(TaskGivenUp{Errc::timed_out, Priority::low, {}});
    observer.on(TaskGivenUp{Errc::shed, Priority::low, {}});
    for (const Errc why :
         {Errc::queue_full, Errc::timed_out, Errc::cancelled, Errc::invalid_request}) {
        observer.on(TaskRefused{why, Priority::low, {}});
    }
    const auto value = [&](const std::string& what) {
        return exposed(metrics, "resilience_worker_pool_" + what);
    };
    CHECK(value("threw_total{name=\"jobs\"}") == "1");
    CHECK(value("drains_total{name=\"jobs\"}") == "1");
    for (const char* why : {"timed_out", "shed"}) {
        const std::string series =
            std::string{"given_up_total{name=\"jobs\",reason=\""} + why;
        CHECK(value(series + "\"}") == "1");
    }
    for (const char* why :
         {"queue_full", "closed", "timed_out", "cancelled", "invalid_request"}) {
        const std::string series =
            std::string{"rejections_total{name=\"jobs\",reason=\""} + why;
        CHECK(value(series + "\"}") == "1");
    }
}

TEST_CASE("One observer serves several policies; kinds without events are not shown") {
    Metrics metrics;
    const Observer observer = metrics.observer("mail");
    CHECK(series_of(metrics, "resilience_circuit_breaker_successes_total") == 0);
    CircuitBreaker breaker{CircuitBreakerOptions{}, observer};
    Bulkhead<Observer> bulkhead{{}, observer};
    breaker.try_acquire(t0).done(Verdict::success, t0);
    bulkhead.try_acquire().done();
    CHECK(
        exposed(metrics, "resilience_circuit_breaker_failures_total{name=\"mail\"}") ==
        "0"
    );
    CHECK(series_of(metrics, "resilience_bulkhead_refused_total") == 0);
}

TEST_CASE("Observers of one name count together, and outlive their metrics") {
    std::optional<Metrics> metrics{std::in_place};
    Observer first = metrics->observer("mail");
    const Observer second = metrics->observer("mail");
    first.on(CircuitProbe{1});
    second.on(CircuitProbe{1});
    CHECK(
        exposed(*metrics, "resilience_circuit_breaker_probes_total{name=\"mail\"}") == "2"
    );
    metrics.reset();
    first.on(CircuitProbe{1});
}

TEST_CASE("No event is lost, whichever threads tell and scrape at once") {
    Metrics metrics;
    const Observer observer = metrics.observer("mail");
    const char* const series = "resilience_circuit_breaker_probes_total{name=\"mail\"}";
    constexpr int each = 1'000'000;
    std::latch ready{8};  // more threads than there are stripes
    std::vector<std::thread> threads;
    for (int id = 0; id < 8; ++id) {
        threads.emplace_back([&] {
            ready.arrive_and_wait();
            for (int i = 0; i < each; ++i) observer.on(CircuitProbe{1});
        });
    }
    double last = 0;
    for (int i = 0; i < 20; ++i) {
        const std::string seen = exposed(metrics, series);
        const double now = seen == "none" ? 0 : std::stod(seen);
        CHECK(now >= last);
        last = now;
    }
    for (auto& thread : threads) thread.join();
    CHECK(exposed(metrics, series) == "8000000");
}

}  // namespace
}  // namespace resilience::prometheus
