// SPDX-License-Identifier: MIT
#include "unit/prometheus/exposed.hpp"

#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/prometheus/collectable.hpp>
#include <resilience/prometheus/metrics.hpp>
#include <resilience/registry.hpp>
#include <resilience/timeout.hpp>
#include <resilience/worker_pool.hpp>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <doctest/doctest.h>

#include <chrono>
#include <latch>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace workers {

/// A policy with two readings that do not change.
struct Pool {
    struct Snapshot {
        static constexpr const char* kind = "worker_pool";
    };
    Snapshot snapshot() const { return {}; }
};

template <class Visit>
void visit_readings(const Pool::Snapshot&, Visit&& visit) {
    visit("queue_size", 3);
    visit("queue_total", 17);
}

/// Reads whatever it is told to.
struct Meter {
    struct Snapshot {
        static constexpr const char* kind = "meter";
        std::vector<resilience::Reading> readings;
    };
    Snapshot snapshot() const {
        if (readings.empty()) throw std::runtime_error{"broken"};
        return {readings};
    }
    std::vector<resilience::Reading> readings;
};

template <class Visit>
void visit_readings(const Meter::Snapshot& s, Visit&& visit) {
    for (const auto& reading : s.readings) visit(reading.name, reading.value);
}

std::shared_ptr<Meter> meter(std::vector<resilience::Reading> readings) {
    auto made = std::make_shared<Meter>();
    made->readings = std::move(readings);
    return made;
}

}  // namespace workers

namespace resilience::prometheus {
namespace {

using namespace std::chrono_literals;

bool has(const Metrics& metrics, std::string_view text) {
    return metrics.serialize().find(text) != std::string::npos;
}

TEST_CASE("F11: a breaker is exposed by the documented names") {
    Metrics metrics{{.profile = Profile::mailflow()}};
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    auto breaker = std::make_shared<CircuitBreaker<Observer>>(
        CircuitBreakerOptions::mailflow(), metrics.observer("mail")
    );
    REQUIRE(!registry->add("mail", breaker));

    // All of them are there before the first call, so that no first increase is missed.
    CHECK(
        has(metrics,
            "# TYPE user_service_circuit_breaker_state gauge\n"
            "user_service_circuit_breaker_state{name=\"mail\"} 0\n")
    );
    CHECK(
        has(metrics,
            "# TYPE user_service_circuit_breaker_failures_total counter\n"
            "user_service_circuit_breaker_failures_total{name=\"mail\"} 0\n")
    );
    CHECK(
        has(metrics,
            "# TYPE user_service_circuit_breaker_successes_total counter\n"
            "user_service_circuit_breaker_successes_total{name=\"mail\"} 0\n")
    );
    CHECK(
        has(metrics,
            "# TYPE user_service_circuit_breaker_half_open_requests gauge\n"
            "user_service_circuit_breaker_half_open_requests{name=\"mail\"} 0\n")
    );

    const TimePoint now = Clock::now();
    for (int i = 0; i < 5; ++i) breaker->try_acquire(now).done(Verdict::transient, now);
    CHECK(exposed(metrics, "user_service_circuit_breaker_state{name=\"mail\"}") == "1");
    auto probe = breaker->try_acquire(now + 31s);
    CHECK(exposed(metrics, "user_service_circuit_breaker_state{name=\"mail\"}") == "2");
    CHECK(
        exposed(
            metrics, "user_service_circuit_breaker_half_open_requests{name=\"mail\"}"
        ) == "1"
    );
    CHECK(
        exposed(metrics, "user_service_circuit_breaker_failures_total{name=\"mail\"}") ==
        "5"
    );
    CHECK_FALSE(has(metrics, "circuit_breaker_probes_in_flight"));
    CHECK_FALSE(has(metrics, "resilience_"));
}

TEST_CASE("F12: a pool is exposed as the documented queue") {
    Metrics metrics{{.profile = Profile::mailflow()}};
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    auto pool = std::make_shared<WorkerPool<>>(WorkerPoolOptions{.threads = 1});
    REQUIRE(!registry->add("mail", pool));
    std::latch started{1};
    std::latch release{1};
    REQUIRE(pool->try_submit([&] {
        started.count_down();
        release.wait();
    }));
    started.wait();
    for (int i = 0; i < 3; ++i) REQUIRE(pool->try_submit([] {}));
    const std::string text = metrics.serialize();
    release.count_down();
    for (const std::string_view wanted :
         {"# TYPE user_service_queue_processing gauge\n"
          "user_service_queue_processing{name=\"mail\"} 1\n",
          "# TYPE user_service_queue_size gauge\n"
          "user_service_queue_size{name=\"mail\"} 3\n",
          "# TYPE user_service_queue_total counter\n"
          "user_service_queue_total{name=\"mail\"} 4\n"}) {
        CHECK(text.find(wanted) != std::string::npos);
    }
}

TEST_CASE("Readings are read at the scrape, as gauges, or counters if they end in _total"
) {
    Metrics metrics;
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    auto bulkhead = std::make_shared<Bulkhead<>>(BulkheadOptions{.limit = 4});
    REQUIRE(!registry->add("db", bulkhead));
    CHECK(has(metrics, "# TYPE resilience_bulkhead_in_use gauge\n"));
    CHECK(exposed(metrics, "resilience_bulkhead_in_use{name=\"db\"}") == "0");
    const auto slot = bulkhead->try_acquire();
    CHECK(exposed(metrics, "resilience_bulkhead_in_use{name=\"db\"}") == "1");
    REQUIRE(!registry->add("pool", std::make_shared<workers::Pool>()));
    CHECK(has(metrics, "# TYPE resilience_worker_pool_queue_total counter\n"));
    registry->remove("db");
    CHECK(exposed(metrics, "resilience_bulkhead_in_use{name=\"db\"}") == "none");
}

TEST_CASE("A registry is read as long as it lives, and once however often it was given") {
    Metrics metrics;
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    metrics.collect(registry);
    REQUIRE(!registry->add("pool", std::make_shared<workers::Pool>()));
    const char* const series = "resilience_worker_pool_queue_total{name=\"pool\"}";
    CHECK(exposed(metrics, series) == "17");

    auto second = std::make_shared<Registry>();
    metrics.collect(second);
    REQUIRE(!second->add("pool", std::make_shared<workers::Pool>()));
    CHECK(exposed(metrics, series) == "34");
    CHECK(exposed(metrics, "resilience_worker_pool_queue_size{name=\"pool\"}") == "3");
    second.reset();
    registry.reset();
    CHECK(exposed(metrics, series) == "none");
}

TEST_CASE("The number of registries is bounded; those that are gone do not count") {
    Metrics metrics;
    std::vector<std::shared_ptr<Registry>> registries;
    for (std::size_t i = 0; i < Metrics::max_registries; ++i) {
        registries.push_back(std::make_shared<Registry>());
        metrics.collect(registries.back());
    }
    const auto more = std::make_shared<Registry>();
    CHECK_THROWS_AS(metrics.collect(more), std::length_error);
    registries.pop_back();
    metrics.collect(more);
}

TEST_CASE("Names are bounded: past the bound they count as _OTHER, and that is counted") {
    Metrics metrics{{.max_names = 10}};
    auto registry = std::make_shared<Registry>(RegistryOptions{.max_policies = 5000});
    metrics.collect(registry);
    for (int i = 0; i < 1'000; ++i) {
        const std::string name = "peer " + std::to_string(i);
        metrics.observer(name).on(CircuitProbe{1});
        metrics.requests(name).record(Verdict::success, 1ms);
        REQUIRE(!registry->add(name, std::make_shared<workers::Pool>()));
    }
    CHECK(series_of(metrics, "resilience_circuit_breaker_probes_total") == 11);
    CHECK(series_of(metrics, "resilience_requests_total") == 11);
    CHECK(series_of(metrics, "resilience_worker_pool_queue_total") == 11);
    CHECK(
        exposed(metrics, "resilience_circuit_breaker_probes_total{name=\"peer 9\"}") ==
        "1"
    );
    CHECK(
        exposed(metrics, "resilience_circuit_breaker_probes_total{name=\"peer 10\"}") ==
        "none"
    );
    CHECK(
        exposed(metrics, "resilience_circuit_breaker_probes_total{name=\"_OTHER\"}") ==
        "990"
    );
    CHECK(exposed(metrics, "resilience_requests_total{name=\"_OTHER\"}") == "990");

    Metrics fresh{{.max_names = 10}};
    fresh.collect(registry);
    CHECK(
        exposed(fresh, "resilience_worker_pool_queue_total{name=\"_OTHER\"}") == "16830"
    );
    CHECK(exposed(fresh, "resilience_worker_pool_queue_size{name=\"_OTHER\"}") == "3");
    CHECK(exposed(fresh, "resilience_label_overflows_total") == "2970");

    // A name that has its place keeps it, and a million others leave the series alone.
    metrics.observer("peer 3").on(CircuitProbe{1});
    CHECK(
        exposed(metrics, "resilience_circuit_breaker_probes_total{name=\"peer 3\"}") ==
        "2"
    );
    for (int i = 0; i < 1'000'000; ++i) (void)metrics.observer(std::to_string(i));
    CHECK(series_of(metrics, "resilience_circuit_breaker_probes_total") == 11);
}

TEST_CASE("What an observer counts and a reading tells is shown once, as the reading") {
    Metrics metrics;
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    auto timeout =
        std::make_shared<Timeout<Observer>>(TimeoutOptions{}, metrics.observer("api"));
    timeout->judge_late({Verdict::transient});
    const char* const series = "resilience_timeout_timed_out_total{name=\"api\"}";
    CHECK(exposed(metrics, series) == "1");
    REQUIRE(!registry->add("api", timeout));
    CHECK(exposed(metrics, series) == "1");
    CHECK(series_of(metrics, "resilience_timeout_timed_out_total") == 1);
    CHECK(exposed(metrics, "resilience_scrape_errors_total") == "0");
}

TEST_CASE("A policy whose snapshot throws, and what is no metric, is left out and counted"
) {
    Metrics metrics;
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    REQUIRE(!registry->add("a", workers::meter({})));
    REQUIRE(!registry->add("b", workers::meter({{"no name", 1}, {"level", 2}})));
    REQUIRE(!registry->add("c", workers::meter({{"level", 3}})));
    CHECK(exposed(metrics, "resilience_scrape_errors_total") == "2");
    CHECK(exposed(metrics, "resilience_meter_level{name=\"b\"}") == "2");
    CHECK(exposed(metrics, "resilience_meter_level{name=\"c\"}") == "3");
    CHECK(exposed(metrics, "resilience_scrape_errors_total") == "8");
}

TEST_CASE("A reading whose name a metric of another type has is left out and counted") {
    Metrics metrics{{.profile = {.names = {{"meter_level", "label_overflows"}}}}};
    Metrics clash{{.profile = {.names = {{"meter_level", "request_duration_seconds"}}}}};
    auto registry = std::make_shared<Registry>();
    REQUIRE(!registry->add("a", workers::meter({{"level", 3}})));
    for (Metrics* each : {&metrics, &clash}) {
        each->requests("a").record(Verdict::success, 1ms);
        each->collect(registry);
    }
    CHECK(exposed(metrics, "resilience_label_overflows{name=\"a\"}") == "3");
    CHECK(exposed(metrics, "resilience_scrape_errors_total") == "0");
    CHECK(exposed(clash, "resilience_request_duration_seconds{name=\"a\"}") == "3");
    CHECK(
        exposed(clash, "resilience_request_duration_seconds_count{name=\"a\"}") == "none"
    );
    CHECK(exposed(clash, "resilience_scrape_errors_total") == "3");
}

TEST_CASE("Names that the text format has to escape are escaped") {
    Metrics metrics;
    metrics.observer("a\"b\\c\nd").on(CircuitProbe{1});
    CHECK(has(
        metrics, "resilience_circuit_breaker_probes_total{name=\"a\\\"b\\\\c\\nd\"} 1\n"
    ));
}

TEST_CASE("What is no name is refused") {
    Metrics metrics;
    for (const std::string& bad :
         {std::string{}, std::string(129, 'x'), std::string{"\xff"}}) {
        CHECK_THROWS_AS((void)metrics.observer(bad), std::invalid_argument);
        CHECK_THROWS_AS((void)metrics.requests(bad), std::invalid_argument);
    }
    (void)metrics.observer(std::string(128, 'x'));
}

TEST_CASE("Options out of range are refused by name") {
    const auto refused = [](const MetricsOptions& options, const char* field) {
        try {
            const Metrics metrics{options};
            FAIL("accepted: ", field);
        } catch (const std::invalid_argument& e) {
            CHECK(std::string_view{e.what()}.starts_with(field));
        }
    };
    refused({.max_names = 0}, "MetricsOptions::max_names");
    refused({.max_names = 10'001}, "MetricsOptions::max_names");
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const std::vector<double>& bad : std::vector<std::vector<double>>{
             {},
             {0},
             {-1},
             {1, 1},
             {2, 1},
             {nan},
             {1, nan},
             {86'401},
             std::vector<double>(65, 1)}) {
        refused({.duration_bounds = bad}, "MetricsOptions::duration_bounds");
    }
    for (const char* bad : {"", "a b", "1a"}) {
        refused({.profile = {.prefix = bad}}, "Profile::prefix");
    }
    for (const char* bad :
         {"",
          "a b",
          "1a",
          "le",
          "to",
          "cause",
          "reason",
          "end",
          "verdict",
          "direction"}) {
        refused({.profile = {.label = bad}}, "Profile::label");
    }
    refused({.profile = {.names = {{"a", "b c"}}}}, "Profile::names");
    refused({.profile = {.names = {{"a", "c"}, {"b", "c"}}}}, "Profile::names");
    refused({.profile = {.names = {{"a_total", "c"}}}}, "Profile::names");
    refused({.profile = {.names = {{"a", "c_total"}}}}, "Profile::names");
}

TEST_CASE("prometheus-cpp collects what serialize writes") {
    Metrics metrics;
    metrics.observer("mail").on(CircuitProbe{1});
    const std::weak_ptr<::prometheus::Collectable> weak = collectable(metrics);
    const auto strong = weak.lock();
    REQUIRE(strong);
    bool found = false;
    for (const auto& family : strong->Collect()) {
        found = found || family.name == "resilience_circuit_breaker_probes_total";
    }
    CHECK(found);
}

TEST_CASE("Threads make observers, add policies and scrape at once") {
    Metrics metrics{{.max_names = 8}};
    auto registry = std::make_shared<Registry>();
    metrics.collect(registry);
    std::vector<std::thread> threads;
    for (int id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            for (int i = 0; i < 100; ++i) {
                const std::string name = std::to_string((id + i) % 12);
                metrics.observer(name).on(CircuitProbe{1});
                (void)registry->add(name, std::make_shared<Bulkhead<>>());
                CHECK(series_of(metrics, "resilience_circuit_breaker_probes_total") <= 9);
                metrics.collect(registry);
                registry->remove(name);
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace resilience::prometheus
