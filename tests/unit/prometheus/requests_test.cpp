// SPDX-License-Identifier: MIT
#include "unit/prometheus/exposed.hpp"

#include <resilience/outcome.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::prometheus {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint t0{1h};

TEST_CASE("F10: rate, errors and duration are exposed by the documented names") {
    Metrics metrics{{.profile = Profile::mailflow(), .duration_bounds = {.1, 1}}};
    const Requests requests = metrics.requests("register");
    requests.begin(t0).done(Verdict::success, t0 + 100ms);
    requests.begin(t0).done(Verdict::transient, t0 + 101ms);
    requests.begin(t0).done(Verdict::success, t0 + 2s);
    CHECK(
        metrics.serialize() ==
        "# HELP user_service_errors_total Requests that ended in an error, by what it "
        "says of the peer.\n"
        "# TYPE user_service_errors_total counter\n"
        "user_service_errors_total{name=\"register\",verdict=\"transient\"} 1\n"
        "user_service_errors_total{name=\"register\",verdict=\"throttled\"} 0\n"
        "user_service_errors_total{name=\"register\",verdict=\"permanent\"} 0\n"
        "user_service_errors_total{name=\"register\",verdict=\"ignored\"} 0\n"
        "# HELP user_service_label_overflows_total Times that a name or label found no "
        "place and counted as _OTHER.\n"
        "# TYPE user_service_label_overflows_total counter\n"
        "user_service_label_overflows_total 0\n"
        "# HELP user_service_request_duration_seconds Time from the begin of a request "
        "to its end.\n"
        "# TYPE user_service_request_duration_seconds histogram\n"
        "user_service_request_duration_seconds_count{name=\"register\"} 3\n"
        "user_service_request_duration_seconds_sum{name=\"register\"} 2.201\n"
        "user_service_request_duration_seconds_bucket{name=\"register\",le=\"0.1\"} 1\n"
        "user_service_request_duration_seconds_bucket{name=\"register\",le=\"1\"} 2\n"
        "user_service_request_duration_seconds_bucket{name=\"register\",le=\"+Inf\"} 3\n"
        "# HELP user_service_requests_total Requests that have ended.\n"
        "# TYPE user_service_requests_total counter\n"
        "user_service_requests_total{name=\"register\"} 3\n"
        "# HELP user_service_scrape_errors_total What a scrape could not show: policies, "
        "readings, updates that threw.\n"
        "# TYPE user_service_scrape_errors_total counter\n"
        "user_service_scrape_errors_total 0\n"
    );
}

TEST_CASE(
    "Every end counts as a request; errors are those that are neither good, the client's "
    "nor given up"
) {
    Metrics metrics;
    const Requests requests = metrics.requests("x");
    const std::pair<Verdict, const char*> ends[] = {
        {Verdict::success, nullptr},
        {Verdict::slow, nullptr},
        {Verdict::client_error, nullptr},
        {Verdict::abandoned, nullptr},
        {Verdict::transient, "transient"},
        {Verdict::throttled, "throttled"},
        {Verdict::permanent, "permanent"},
        {Verdict::ignored, "ignored"}};
    for (const auto& end : ends) requests.record(end.first, 1ms);
    CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "8");
    CHECK(series_of(metrics, "resilience_errors_total") == 4);
    for (const auto& end : ends) {
        if (end.second == nullptr) continue;
        const std::string series =
            std::string{"resilience_errors_total{name=\"x\",verdict=\""} + end.second +
            "\"}";
        CHECK(exposed(metrics, series) == "1");
    }
}

TEST_CASE("A request that is dropped counts as abandoned, one that is moved counts once"
) {
    Metrics metrics;
    const Requests requests = metrics.requests("x");
    { const Request dropped = requests.begin(); }
    CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "1");
    {
        Request first = requests.begin(t0);
        Request second = std::move(first);
        std::move(second).done(Verdict::success, t0);
        std::move(second).done(Verdict::transient, t0);
    }
    CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "2");
    {
        Request replaced = requests.begin();
        replaced = requests.begin(t0);
        CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "3");
        std::move(replaced).done(Verdict::success, t0);
    }
    CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "4");
    CHECK(
        exposed(metrics, "resilience_errors_total{name=\"x\",verdict=\"transient\"}") ==
        "0"
    );
}

TEST_CASE("A request that ended before it began took nothing") {
    Metrics metrics;
    metrics.requests("x").begin(t0).done(Verdict::success, t0 - 1h);
    CHECK(exposed(metrics, "resilience_request_duration_seconds_sum{name=\"x\"}") == "0");
    CHECK(
        exposed(
            metrics, "resilience_request_duration_seconds_bucket{name=\"x\",le=\"0.005\"}"
        ) == "1"
    );
}

TEST_CASE("A call ends as its result or exception is classified") {
    Metrics metrics;
    const Requests requests = metrics.requests("x");
    CHECK(requests.run([] { return 7; }) == 7);
    requests.run([] {});
    const Outcome<int> refused = requests.run([]() -> Outcome<int> {
        return Failure{Errc::circuit_open, ""};
    });
    CHECK(refused.error().code == Errc::circuit_open);
    CHECK_THROWS_AS(
        requests.run([] { throw std::system_error{make_error_code(Errc::unavailable)}; }),
        std::system_error
    );
    CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "4");
    CHECK(
        exposed(metrics, "resilience_errors_total{name=\"x\",verdict=\"ignored\"}") == "1"
    );
    CHECK(
        exposed(metrics, "resilience_errors_total{name=\"x\",verdict=\"transient\"}") ==
        "1"
    );
}

TEST_CASE("No request is lost when threads count at once") {
    Metrics metrics;
    const Requests requests = metrics.requests("x");
    std::vector<std::thread> threads;
    for (int id = 0; id < 4; ++id) {
        threads.emplace_back([&] {
            for (int i = 0; i < 5'000; ++i) requests.record(Verdict::transient, 1ms);
        });
    }
    for (int i = 0; i < 10; ++i) (void)metrics.serialize();
    for (auto& thread : threads) thread.join();
    CHECK(exposed(metrics, "resilience_requests_total{name=\"x\"}") == "20000");
    CHECK(
        exposed(metrics, "resilience_errors_total{name=\"x\",verdict=\"transient\"}") ==
        "20000"
    );
    CHECK(
        exposed(metrics, "resilience_request_duration_seconds_sum{name=\"x\"}") == "20"
    );
}

}  // namespace
}  // namespace resilience::prometheus
