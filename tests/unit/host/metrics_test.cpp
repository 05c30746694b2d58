// SPDX-License-Identifier: MIT
#include <host/http_metrics.hpp>
#include <host/metrics.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace resilience::host {
namespace {

bool has(const Metrics& metrics, std::string_view line) {
    return metrics.serialize().find(line) != std::string::npos;
}

TEST_CASE("Metrics are written in the text format") {
    Metrics metrics;
    metrics.counter("things_total", "Things.").add(2);
    metrics.gauge("level", "Level.").set(1.5);
    metrics.histogram("took_seconds", "Time.", {1, 2}).observe(1.5);
    CHECK(has(metrics, "# TYPE things_total counter\nthings_total 2\n"));
    CHECK(has(metrics, "level 1.5\n"));
    CHECK(has(metrics, "took_seconds_bucket{le=\"1\"} 0\n"));
    CHECK(has(metrics, "took_seconds_bucket{le=\"2\"} 1\n"));
}

TEST_CASE("Asking again for a metric gives the same one") {
    Metrics metrics;
    metrics.counter("things_total", "Things.").add();
    metrics.counter("things_total", "Things.").add();
    CHECK(has(metrics, "things_total 2\n"));
    CHECK_THROWS_AS(metrics.counter("not a name", "x"), std::invalid_argument);
    CHECK_THROWS_AS(metrics.gauge("things_total", "x"), std::invalid_argument);
}

TEST_CASE("Label sets are bounded: what is too many counts under _OTHER") {
    Metrics metrics;
    auto family = metrics.counters("asked_total", "Asked.", {"key", "kind"}, 10);
    for (int i = 0; i < 100'000; ++i) family.with({std::to_string(i), "x"}).add();
    CHECK(family.size() == 10);
    CHECK(has(metrics, "asked_total{key=\"8\",kind=\"x\"} 1\n"));
    CHECK(has(metrics, "asked_total{key=\"_OTHER\",kind=\"_OTHER\"} 99991\n"));
    family.with({"0", "x"}).add();
    CHECK(has(metrics, "asked_total{key=\"0\",kind=\"x\"} 2\n"));
}

TEST_CASE("Label values that join to the same text stay apart") {
    Metrics metrics;
    auto family = metrics.counters("asked_total", "Asked.", {"a", "b"});
    family.with({"x", "yz"}).add();
    family.with({"xy", "z"}).add();
    CHECK(family.size() == 2);
}

TEST_CASE("Gauges are set right before a scrape") {
    Metrics metrics;
    int depth = 3;
    const Gauge gauge = metrics.gauge("depth", "Depth.");
    metrics.on_scrape([&] { gauge.set(depth); });
    CHECK(has(metrics, "depth 3\n"));
    depth = 4;
    CHECK(has(metrics, "depth 4\n"));
}

TEST_CASE("F10: requests are counted per route, never per path") {
    Metrics metrics;
    Router router;
    router.root().get("/users/{id}", {}, [](Request&) -> net::awaitable<Response> {
        co_return Response{};
    });
    HttpMetrics http{metrics};
    http.prepare(router);
    const Route* route = router.routes().front().get();
    http.finished(route, Method::get, 200, std::chrono::milliseconds{20});
    http.finished(route, Method::get, 200, std::chrono::milliseconds{20});
    http.finished(route, Method::get, 404, std::chrono::milliseconds{20});
    http.finished(nullptr, Method::other, 404, std::chrono::milliseconds{20});
    http.rejected("too-large");
    CHECK(has(
        metrics,
        "http_requests_total{method=\"GET\",route=\"/users/{id}\",status=\"200\"} 2\n"
    ));
    CHECK(
        has(metrics,
            "http_requests_total{method=\"_OTHER\",route=\"_OTHER\",status=\"404\"} 1\n")
    );
    CHECK(has(
        metrics,
        "http_request_duration_seconds_count{method=\"GET\",route=\"/users/{id}\"} 3\n"
    ));
    CHECK(has(metrics, "http_rejected_total{reason=\"too-large\"} 1\n"));
}

}  // namespace
}  // namespace resilience::host
