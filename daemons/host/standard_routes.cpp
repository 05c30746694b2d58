// SPDX-License-Identifier: MIT
#include "host/standard_routes.hpp"

#include <resilience/prometheus/metrics.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace resilience::host {
namespace {

namespace json = boost::json;

json::object describe(const Health::Finding& finding) {
    json::object part;
    part["status"] = to_string(finding.health.state);
    part["required"] = finding.need == Need::required;
    if (!finding.health.detail.empty()) part["detail"] = finding.health.detail;
    return part;
}

unsigned status_of(HealthState state) { return state == HealthState::down ? 503 : 200; }

net::awaitable<Response> readiness(Health& health) {
    json::object body;
    if (health.draining()) {
        body["status"] = "draining";
        co_return json_response(503, body);
    }
    const auto findings = co_await health.examine();
    const HealthState state = Health::overall(findings);
    body["status"] = to_string(state);
    json::array down;
    for (const auto& finding : findings) {
        if (finding.health.state == HealthState::down) down.emplace_back(finding.name);
    }
    if (!down.empty()) body["down"] = std::move(down);
    co_return json_response(status_of(state), body);
}

net::awaitable<Response> overall(Health& health) {
    const auto findings = co_await health.examine();
    const HealthState state = Health::overall(findings);
    json::object body;
    body["status"] = to_string(state);
    json::object& parts = body["parts"].emplace_object();
    for (const auto& finding : findings) parts[finding.name] = describe(finding);
    co_return json_response(status_of(state), body);
}

net::awaitable<Response> one_part(Health& health, std::string name) {
    const auto finding = co_await health.examine(name);
    if (!finding) co_return not_found("there is no part of this name");
    json::object body = describe(*finding);
    body["name"] = finding->name;
    co_return json_response(status_of(finding->health.state), body);
}

}  // namespace

void add_standard_routes(
    Router& router,
    Health& health,
    prometheus::Metrics& metrics,
    std::shared_ptr<const std::string> document
) {
    auto root = router.root();
    root.get(
        "/livez",
        {.summary = "Tells that the process runs; asks nothing else", .quiet = true},
        [](Request&) -> net::awaitable<Response> {
            co_return json_text(200, R"({"status":"up"})");
        }
    );
    root.get(
        "/readyz",
        {.summary = "Tells whether requests can be served",
         .replies =
             {{200, "Ready"}, {503, "A required part is down, or the program is ending"}},
         .quiet = true},
        [&health](Request&) { return readiness(health); }
    );
    root.get(
        "/health",
        {.summary = "Tells how the program and each of its parts are",
         .replies = {{200, "Up or degraded"}, {503, "A required part is down"}},
         .quiet = true},
        [&health](Request&) { return overall(health); }
    );
    root.get(
        "/health/{part}",
        {.summary = "Tells how one part is",
         .replies = {{200, "Up or degraded"}, {503, "Down"}},
         .quiet = true},
        [&health](Request& request) {
            return one_part(health, std::string{request.path_parameter("part")});
        }
    );
    root.get(
        "/metrics",
        {.summary = "Gives the metrics in the text format of Prometheus", .quiet = true},
        [&metrics](Request&) -> net::awaitable<Response> {
            Response response = text_response(200, metrics.serialize());
            response.content_type = prometheus::Metrics::content_type;
            co_return response;
        }
    );
    root.get(
        "/openapi.json",
        {.summary = "Describes the routes", .quiet = true},
        [document](Request&) -> net::awaitable<Response> {
            co_return json_text(200, *document);
        }
    );
}

}  // namespace resilience::host
