// SPDX-License-Identifier: MIT
#include "host/http_metrics.hpp"

#include <resilience/prometheus/metrics.hpp>

#include <algorithm>
#include <string>

namespace resilience::host {
namespace {

// Routes times methods times codes: the program names them, so many are no leak.
constexpr std::size_t most_route_series = 2000;

}  // namespace

HttpMetrics::HttpMetrics(prometheus::Metrics& metrics)
    : requests_(metrics.counters(
          "http_requests_total",
          "Requests answered.",
          {"method", "route", "status"},
          most_route_series
      )),
      durations_(metrics.histograms(
          "http_request_duration_seconds",
          "Time from the end of the request to the end of its answer.",
          {"method", "route"},
          {},
          most_route_series
      )),
      rejected_(metrics.counters(
          "http_rejected_total",
          "Connections and requests turned away before a handler saw them.",
          {"reason"}
      )),
      connections_(metrics.gauge("http_connections", "Open connections.")),
      in_flight_(metrics.gauge("http_requests_in_flight", "Requests being answered.")),
      body_bytes_(metrics.gauge("http_body_bytes", "Bytes of request bodies held.")) {}

void HttpMetrics::prepare(const Router& router) {
    routes_.clear();
    for (const auto& route : router.routes()) {
        routes_.push_back(std::make_unique<RouteSeries>(
            durations_.with({to_string(route->method), route->pattern})
        ));
    }
}

void HttpMetrics::finished(
    const Route* route, Method method, unsigned status, std::chrono::nanoseconds took
) {
    const double seconds = std::chrono::duration<double>(took).count();
    const auto name = to_string(method);
    if (route == nullptr || route->index >= routes_.size()) {
        requests_.with({name, "_OTHER", std::to_string(status)}).add();
        durations_.with({name, "_OTHER"}).observe(seconds);
        return;
    }
    RouteSeries& series = *routes_[route->index];
    series.duration.observe(seconds);
    // A HEAD request that a GET route answers counts as the route's.
    const std::lock_guard lock{series.mutex};
    auto found = std::find_if(
        series.by_status.begin(),
        series.by_status.end(),
        [&](const auto& entry) { return entry.first == status; }
    );
    if (found == series.by_status.end()) {
        series.by_status.emplace_back(
            status,
            requests_.with(
                {to_string(route->method), route->pattern, std::to_string(status)}
            )
        );
        found = series.by_status.end() - 1;
    }
    found->second.add();
}

void HttpMetrics::rejected(std::string_view reason) { rejected_.with({reason}).add(); }

}  // namespace resilience::host
