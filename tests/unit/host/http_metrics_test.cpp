// SPDX-License-Identifier: MIT
#include <host/http_metrics.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <doctest/doctest.h>

#include <string>

namespace resilience::host {
namespace {

TEST_CASE("F10: requests are counted per route, never per path") {
    prometheus::Metrics metrics;
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
    const std::string text = metrics.serialize();
    for (const char* line :
         {"# HELP http_requests_total Requests answered.",
          "# TYPE http_requests_total counter",
          R"(http_requests_total{method="GET",route="/users/{id}",status="200"} 2)",
          R"(http_requests_total{method="GET",route="/users/{id}",status="404"} 1)",
          R"(http_requests_total{method="_OTHER",route="_OTHER",status="404"} 1)",
          "# HELP http_request_duration_seconds Time from the end of the request to the "
          "end of its answer.",
          "# TYPE http_request_duration_seconds histogram",
          R"(http_request_duration_seconds_count{method="GET",route="/users/{id}"} 3)",
          "http_request_duration_seconds_bucket"
          R"({method="GET",route="/users/{id}",le="0.01"} 0)",
          "http_request_duration_seconds_bucket"
          R"({method="GET",route="/users/{id}",le="0.025"} 3)",
          "# HELP http_rejected_total Connections and requests turned away before a "
          "handler saw them.",
          "# TYPE http_rejected_total counter",
          R"(http_rejected_total{reason="too-large"} 1)",
          "# HELP http_connections Open connections.",
          "# TYPE http_connections gauge",
          "# HELP http_requests_in_flight Requests being answered.",
          "# TYPE http_requests_in_flight gauge",
          "# HELP http_body_bytes Bytes of request bodies held.",
          "# TYPE http_body_bytes gauge"}) {
        CHECK_MESSAGE(text.find(std::string{line} + '\n') != std::string::npos, line);
    }
}

}  // namespace
}  // namespace resilience::host
