// SPDX-License-Identifier: MIT
#include "embedded_users.hpp"
#include "scripted_users.hpp"

#include <host/config.hpp>
#include <modules/crash/routes.hpp>

#include <stdexcept>

using namespace resilience;
using namespace resilience::modules;

namespace {

struct Fixture : fixture::EmbeddedUsers {
    int ended = 0;

    explicit Fixture(bool enabled = true) {
        crash::add_routes(router, {enabled}, *store, [this] {
            ++ended;
            throw std::runtime_error("nothing more happens");
        });
    }
};

std::string body(std::string email, std::string more = "") {
    return R"({"email":")" + email + R"(","name":"Crash Test")" + more + "}";
}

}  // namespace

TEST_CASE("X18: without ENABLE_TEST_ENDPOINTS there is no route that ends the process") {
    Fixture service{false};
    CHECK(service.post("/test/crash", body("a@b.c")).status == 404);
    CHECK(service.post("/api/test/crash", body("a@b.c")).status == 404);
    crash::TestEndpoints settings;
    host::Config config{"test", "Tests."};
    crash::declare(config, settings);
    CHECK_FALSE(config.parse({}, {}).exit_code.has_value());
    CHECK_FALSE(settings.enabled);
    CHECK_FALSE(config.parse({}, {{"ENABLE_TEST_ENDPOINTS", "1"}}).exit_code.has_value());
    CHECK(settings.enabled);
}

TEST_CASE("M9, O2: the process ends after user and event are committed") {
    for (const std::string path : {"/test/crash", "/api/test/crash"}) {
        Fixture service;
        service.post(path, body("crash@test.com", R"(,"crash_after_db":true)"));
        CHECK(service.ended == 1);
        CHECK(service.users() == 1);
        REQUIRE(service.events().size() == 1);
        CHECK(service.events()[0][0] == "user.created");
        CHECK(service.events()[0][7] == "NEW");
    }
}

TEST_CASE("M9: without crash_after_db the user is answered as by the users routes") {
    Fixture service;
    for (const std::string more : {"", R"(,"crash_after_db":false)"}) {
        const auto email = std::to_string(more.size()) + "@b.c";
        const auto answer = service.post("/test/crash", body(email, more));
        CHECK(answer.status == 201);
        CHECK(
            fixture::header_of(answer, "Location") ==
            "/v1/users/" + fixture::text_of(answer, "id")
        );
    }
    CHECK(service.ended == 0);
    CHECK(service.users() == 2);
}

TEST_CASE("M9: what is refused or fails does not end the process") {
    Fixture service;
    const std::string crash = R"(,"crash_after_db":true)";
    CHECK(service.post("/test/crash", "nonsense").status == 400);
    CHECK(service.post("/test/crash", body("no address", crash)).status == 400);
    CHECK(
        service.post("/test/crash", body("a@b.c", R"(,"crash_after_db":1)")).status == 400
    );
    CHECK(service.users() == 0);
    CHECK(service.post("/test/crash", body("a@b.c")).status == 201);
    CHECK(service.post("/test/crash", body("a@b.c", crash)).status == 409);
    CHECK(service.ended == 0);

    fixture::Routes routes;
    fixture::ScriptedUsers down;
    down.failures = {Errc::unavailable};
    bool ended = false;
    crash::add_routes(routes.router, {true}, down, [&ended] { ended = true; });
    CHECK(routes.post("/test/crash", body("a@b.c", crash)).status == 503);
    CHECK_FALSE(ended);
}
