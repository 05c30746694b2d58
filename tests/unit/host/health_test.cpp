// SPDX-License-Identifier: MIT
#include "await.hpp"

#include <host/health.hpp>
#include <host/standard_routes.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::host {
namespace {

HealthCheck says(HealthState state, std::string detail = {}) {
    return [state, detail]() -> net::awaitable<PartHealth> {
        co_return PartHealth{state, detail};
    };
}

struct Fixture {
    Health health{{.reuse = std::chrono::milliseconds{0}}};
    prometheus::Metrics metrics;
    Router router;

    Fixture() {
        add_standard_routes(
            router, health, metrics, std::make_shared<const std::string>("{}")
        );
    }

    Response ask(std::string_view path) {
        Request request{Method::get, path};
        return await(router.dispatch(request));
    }
};

TEST_CASE_FIXTURE(Fixture, "M10: a program without parts is up") {
    CHECK(ask("/livez").body == R"({"status":"up"})");
    CHECK(ask("/readyz").body == R"({"status":"up"})");
    CHECK(ask("/health").body == R"({"status":"up","parts":{}})");
}

TEST_CASE_FIXTURE(
    Fixture, "M10: a required part that is down makes the program not ready"
) {
    health.add("bucket", Need::required, says(HealthState::up));
    health.add("users", Need::required, says(HealthState::down, "no connection"));
    const Response ready = ask("/readyz");
    CHECK(ready.status == 503);
    CHECK(ready.body == R"({"status":"down","down":["users"]})");
    CHECK(ask("/health").status == 503);
    CHECK(ask("/health/bucket").status == 200);
    const Response users = ask("/health/users");
    CHECK(users.status == 503);
    CHECK(
        users.body ==
        R"({"status":"down","required":true,"detail":"no connection","name":"users"})"
    );
    CHECK(ask("/health/nothing").status == 404);
    CHECK(ask("/livez").status == 200);
}

TEST_CASE_FIXTURE(Fixture, "I20: an optional part that is down degrades, and is served") {
    health.add("cache", Need::optional, says(HealthState::down));
    CHECK(ask("/readyz").status == 200);
    CHECK(boost::json::parse(ask("/health").body).at("status").as_string() == "degraded");
}

TEST_CASE_FIXTURE(Fixture, "A check that throws is down, and its words stay inside") {
    health.add("users", Need::required, []() -> net::awaitable<PartHealth> {
        throw std::runtime_error("password=x");
        co_return PartHealth{};
    });
    const Response response = ask("/health/users");
    CHECK(response.status == 503);
    CHECK(response.body.find("password") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "I12: a program that ends is not ready and is still alive") {
    health.begin_drain();
    CHECK(ask("/readyz").status == 503);
    CHECK(ask("/readyz").body == R"({"status":"draining"})");
    CHECK(ask("/livez").status == 200);
}

TEST_CASE("A finding is reused, so probes cannot load a part") {
    Health health{{.reuse = std::chrono::hours{1}}};
    int asked = 0;
    health.add("users", Need::required, [&asked]() -> net::awaitable<PartHealth> {
        ++asked;
        co_return PartHealth{};
    });
    for (int i = 0; i < 10; ++i) CHECK(await(health.examine()).size() == 1);
    CHECK(asked == 1);
}

TEST_CASE(
    "M10: a change of a part's state is told once, with the words kept from the public"
) {
    Health health{{.reuse = std::chrono::milliseconds{0}}};
    PartHealth now;
    health.add("users", Need::required, [&now]() -> net::awaitable<PartHealth> {
        if (now.detail == "throws") throw std::runtime_error("lost");
        co_return now;
    });
    std::vector<std::string> told;
    health.on_change([&told](const Health::Finding& part) {
        told.push_back(
            part.name + ' ' + std::string{to_string(part.health.state)} + ' ' +
            part.health.cause
        );
    });
    const auto look = [&](PartHealth next) {
        now = std::move(next);
        told.clear();
        for (int i = 0; i < 3; ++i) await(health.examine());
        return told;
    };
    using Lines = std::vector<std::string>;
    CHECK(look({}) == Lines{});
    CHECK(look({HealthState::down, "d", "refused"}) == Lines{"users down refused"});
    CHECK(look({HealthState::down, "e", "other words"}) == Lines{});
    CHECK(look({}) == Lines{"users up "});
    CHECK(look({HealthState::degraded, "d", "slow"}) == Lines{"users degraded slow"});
    CHECK(look({HealthState::down, "throws"}) == Lines{"users down lost"});
}

TEST_CASE("M10: a part that the first check does not find up is told at once") {
    Health health;
    health.add("users", Need::required, says(HealthState::down));
    int told = 0;
    health.on_change([&told](const Health::Finding&) { ++told; });
    (void)await(health.examine("users"));
    CHECK(told == 1);
}

TEST_CASE("A part needs a name of its own") {
    Health health;
    health.add("users", Need::required, says(HealthState::up));
    CHECK_THROWS_AS(
        health.add("users", Need::required, says(HealthState::up)), std::invalid_argument
    );
    CHECK_THROWS_AS(
        health.add("", Need::required, says(HealthState::up)), std::invalid_argument
    );
}

TEST_CASE("M10: the routes are described as OpenAPI 3.1") {
    Router router;
    router.at({"/v1/users", "/users"})
        .put(
            "/{id}",
            {.summary = "Changes a user",
             .query = {{"dry", "Only looks", false, "boolean"}},
             .body = R"({"type":"object"})",
             .replies = {{200, "Changed", R"({"type":"object"})"}, {404, "Unknown"}}},
            [](Request&) -> net::awaitable<Response> { co_return Response{}; }
        );
    router.root().get(
        "/secret",
        {.summary = "x", .hidden = true},
        [](Request&) -> net::awaitable<Response> { co_return Response{}; }
    );
    const auto document = boost::json::parse(openapi_document(router, "test", "1.2.3"));
    CHECK(document.at("openapi").as_string() == "3.1.0");
    const auto& paths = document.at("paths").as_object();
    CHECK(paths.size() == 2);
    const auto& put = paths.at("/v1/users/{id}").at("put");
    CHECK(put.at("parameters").as_array().size() == 2);
    CHECK(put.at("parameters").at(0).at("in").as_string() == "path");
    CHECK(put.at("requestBody").at("content").as_object().contains("application/json"));
    CHECK(put.at("responses").as_object().contains("default"));
    CHECK(put.at("responses").at("404").at("description").as_string() == "Unknown");

    router.root().get("/bad", {.body = "{"}, [](Request&) -> net::awaitable<Response> {
        co_return Response{};
    });
    CHECK_THROWS_AS(openapi_document(router, "test", "1"), std::invalid_argument);
}

}  // namespace
}  // namespace resilience::host
