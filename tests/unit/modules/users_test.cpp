// SPDX-License-Identifier: MIT
#include "embedded_users.hpp"

#include <host/app.hpp>
#include <host/config.hpp>
#include <modules/backing/events.hpp>

#include <resilience/detail/rfc3339.hpp>

#include <boost/json/serialize.hpp>

#include <cctype>
#include <stdexcept>
#include <utility>

using namespace resilience;
using namespace resilience::modules;
using fixture::check_problem;
using fixture::header_of;
using fixture::text_of;

namespace {

struct Fixture : fixture::EmbeddedUsers {
    explicit Fixture(OutboxOptions outbox = {})
        : fixture::EmbeddedUsers(std::move(outbox)) {
        users::add_routes(router, metrics, *store);
    }

    std::string create(std::string email, std::string name = "Ann") {
        const auto answer =
            post("/v1/users", R"({"email":")" + email + R"(","name":")" + name + "\"}");
        REQUIRE(answer.status == 201);
        return text_of(answer, "id");
    }
};

constexpr const char* unknown = "01890a5d-ac96-774b-bcce-b302099a8057";

std::string body_of(std::string email, std::string name) {
    fixture::json::object body{{"email", email}, {"name", name}};
    return fixture::json::serialize(body);
}

}  // namespace

TEST_CASE("M6: POST creates a user and says where it is") {
    Fixture service;
    const auto answer =
        service.post("/v1/users", body_of("test@example.com", "Test User"));
    CHECK(answer.status == 201);
    CHECK(answer.content_type == "application/json");
    const auto id = text_of(answer, "id");
    CHECK(Uuid::parse(id).has_value());
    CHECK(text_of(answer, "email") == "test@example.com");
    CHECK(text_of(answer, "name") == "Test User");
    CHECK(detail::parse_rfc3339(text_of(answer, "created_at")).has_value());
    CHECK(text_of(answer, "updated_at") == text_of(answer, "created_at"));
    CHECK(header_of(answer, "Location") == "/v1/users/" + id);
    CHECK(service.counted(R"(users_requests_total{operation="create",result="ok"} 1)"));
}

TEST_CASE("M12: a user is created together with one event that tells all of it") {
    Fixture service{{.topic = "people", .max_retries = 7}};
    const auto answer = service.post("/v1/users", body_of("a@b.c", "Zo\xc3\xab \"Z\""));
    const auto id = text_of(answer, "id");
    const auto events = service.events();
    REQUIRE(events.size() == 1);
    const auto& event = events[0];
    CHECK(event[0] == "user.created");
    CHECK(event[1] == id);
    CHECK(fixture::json::parse(event[2]) == fixture::json::parse(answer.body));
    CHECK(event[3] == id);
    CHECK(event[4] == "people");
    const auto traceparent = fixture::json::parse(event[5]).at("traceparent").as_string();
    CHECK(traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    CHECK_FALSE(traceparent == fixture::Routes::traceparent);
    CHECK(event[7] == "NEW");
    CHECK(event[8] == "user");
}

TEST_CASE("X6: RELAY_MAX_RETRIES is written with the event, and KAFKA_TOPIC too") {
    backing::EventSettings settings;
    host::Config config{"test", "Tests."};
    backing::declare(config, settings);
    const auto outcome =
        config.parse({}, {{"RELAY_MAX_RETRIES", "9"}, {"KAFKA_TOPIC", "elsewhere"}});
    CHECK_FALSE(outcome.exit_code.has_value());
    Fixture service{backing::make_outbox(settings).options()};
    service.create("a@b.c");
    CHECK(service.events().at(0)[6] == "9");
    CHECK(service.events().at(0)[4] == "elsewhere");
}

TEST_CASE("X1: users are mounted at each documented prefix and Location stays below it") {
    Fixture service;
    int number = 0;
    for (const std::string prefix : {"/v1/users", "/api/users", "/users"}) {
        CAPTURE(prefix);
        const auto email = std::to_string(++number) + "@example.com";
        const auto created = service.post(prefix, body_of(email, "Ann"));
        CHECK(created.status == 201);
        const auto location = header_of(created, "Location");
        CHECK(location == prefix + "/" + text_of(created, "id"));
        CHECK(service.get(location).body == created.body);
        CHECK(service.put(location, body_of(email, "Bob")).status == 200);
    }
    CHECK(service.users() == 3);
}

TEST_CASE("M7: GET reads a user; an unknown id is 404 and a malformed one 400") {
    Fixture service;
    const auto id = service.create("a@b.c");
    const auto found = service.get("/v1/users/" + id);
    CHECK(found.status == 200);
    CHECK(text_of(found, "id") == id);
    std::string upper = id;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    CHECK(text_of(service.get("/v1/users/" + upper), "id") == id);
    check_problem(service.get(std::string{"/v1/users/"} + unknown), 404, "not-found");
    for (const std::string bad : {"17", "not-a-uuid", "%00", "{id}"}) {
        CAPTURE(bad);
        const auto answer = [&] {
            try {
                return service.get("/v1/users/" + bad);
            } catch (const std::invalid_argument&) {
                return host::Response{400};  // the server refuses the target itself
            }
        }();
        CHECK(answer.status == 400);
    }
    CHECK(text_of(service.get("/v1/users/17"), "field") == "id");
}

TEST_CASE("M8: PUT replaces the fields and adds the event user.updated") {
    Fixture service;
    const auto id = service.create("a@b.c", "Ann");
    const auto before = service.get("/v1/users/" + id);
    const auto answer = service.put("/v1/users/" + id, body_of("x@y.z", "Xan"));
    CHECK(answer.status == 200);
    CHECK(text_of(answer, "id") == id);
    CHECK(text_of(answer, "email") == "x@y.z");
    CHECK(text_of(answer, "name") == "Xan");
    CHECK(text_of(answer, "created_at") == text_of(before, "created_at"));
    CHECK(text_of(answer, "updated_at") >= text_of(before, "updated_at"));
    CHECK(service.get("/v1/users/" + id).body == answer.body);
    const auto events = service.events();
    REQUIRE(events.size() == 2);
    CHECK(events[1][0] == "user.updated");
    CHECK(events[1][1] == id);
    CHECK(events[1][3] == id);
    CHECK(fixture::json::parse(events[1][2]) == fixture::json::parse(answer.body));
}

TEST_CASE("O10: events of users are user.created and user.updated, of aggregates user") {
    Fixture service;
    const auto id = service.create("a@b.c");
    CHECK(service.put("/api/users/" + id, body_of("b@b.c", "Bea")).status == 200);
    CHECK(service.put("/users/" + id, body_of("b@b.c", "Bea")).status == 200);
    const auto events = service.rows(
        "SELECT event_type, aggregate_type, aggregate_id FROM outbox_events ORDER BY seq"
    );
    const std::vector<std::vector<std::string>> expected{
        {"user.created", "user", id},
        {"user.updated", "user", id},
        {"user.updated", "user", id}};
    CHECK(events == expected);
}

TEST_CASE("M8: updated_at does not go back when the wall clock does") {
    Fixture service;
    const auto id = service.create("a@b.c");
    service.rows("UPDATE users SET updated_at = '2999-01-01T00:00:00.000000Z'");
    const auto answer = service.put("/v1/users/" + id, body_of("a@b.c", "Bob"));
    CHECK(text_of(answer, "updated_at") == "2999-01-01T00:00:00.000000Z");
}

TEST_CASE("M8: PUT of an unknown user is 404, of a malformed id 400, without an event") {
    Fixture service;
    const auto body = body_of("a@b.c", "Ann");
    check_problem(
        service.put(std::string{"/v1/users/"} + unknown, body), 404, "not-found"
    );
    const auto malformed = service.put("/v1/users/17", body);
    check_problem(malformed, 400, "invalid-field");
    CHECK(text_of(malformed, "field") == "id");
    CHECK(service.users() == 0);
    CHECK(service.events().empty());
}

TEST_CASE("M6, M8: an e-mail address that another has is 409 without an event") {
    Fixture service;
    const auto ann = service.create("ann@example.com");
    const auto bob = service.create("bob@example.com");
    const auto created = service.post("/v1/users", body_of("ann@example.com", "Eve"));
    check_problem(created, 409, "conflict");
    CHECK(text_of(created, "field") == "email");
    const auto replaced =
        service.put("/v1/users/" + bob, body_of("ann@example.com", "Bob"));
    check_problem(replaced, 409, "conflict");
    CHECK(service.users() == 2);
    CHECK(service.events().size() == 2);
    CHECK(text_of(service.get("/v1/users/" + bob), "email") == "bob@example.com");
    // A user's own address is not another's.
    CHECK(
        service.put("/v1/users/" + ann, body_of("ann@example.com", "Ann B")).status == 200
    );
    CHECK(
        service.counted(R"(users_requests_total{operation="create",result="conflict"} 1)")
    );
}

TEST_CASE("M6, M8: a body that breaks a rule is 400, names the field, writes nothing") {
    Fixture service;
    struct Case {
        std::string body;
        std::string field;
    };
    const std::string long_text(256, 'x');
    const Case cases[] = {
        {"", ""},
        {"nonsense", ""},
        {"[]", ""},
        {R"({"email":"a@b.c","name":"Ann"} {})", ""},
        {R"({"email":"a@b.c","name":"Ann")", ""},
        {"{\"email\":\"a@b.c\",\"name\":\"\xff\"}", "name"},
        {R"({"email":"a\u0000@b.c","name":"Ann"})", "email"},
        {R"({"email":"a@b.c","name":"A\u0000n"})", "name"},
        {R"({"name":"Ann"})", "email"},
        {R"({"email":"a@b.c"})", "name"},
        {R"({"email":17,"name":"Ann"})", "email"},
        {R"({"email":"a@b.c","name":null})", "name"},
        {R"({"email":"","name":"Ann"})", "email"},
        {R"({"email":"a@b.c","name":""})", "name"},
        {R"({"email":"ab.c","name":"Ann"})", "email"},
        {R"({"email":"@b.c","name":"Ann"})", "email"},
        {R"({"email":"a@","name":"Ann"})", "email"},
        {R"({"email":"a@b@c","name":"Ann"})", "email"},
        {R"({"email":"a b@c","name":"Ann"})", "email"},
        {R"({"email":"a@b\nBcc: c","name":"Ann"})", "email"},
        {body_of("a@" + long_text.substr(0, 254), "Ann"), "email"},
        {body_of("a@b.c", long_text), "name"},
    };
    const auto id = service.create("first@example.com");
    for (const auto& each : cases) {
        CAPTURE(each.body);
        for (const auto& answer :
             {service.post("/v1/users", each.body),
              service.put("/v1/users/" + id, each.body)}) {
            CHECK(answer.status == 400);
            CHECK(answer.content_type == "application/problem+json");
            CHECK(text_of(answer, "field") == each.field);
        }
    }
    CHECK(service.users() == 1);
    CHECK(service.events().size() == 1);
}

TEST_CASE("M6: the longest texts are taken and come back as they were") {
    Fixture service;
    const auto email = "a@" + std::string(253, 'x');
    std::string name;
    while (name.size() < 255) name += "\xe2\x82\xac";
    const auto answer = service.post("/v1/users", body_of(email, name));
    CHECK(answer.status == 201);
    const auto found = service.get(header_of(answer, "Location"));
    CHECK(text_of(found, "email") == email);
    CHECK(text_of(found, "name") == name);
}

TEST_CASE("a wrong method is 405 with Allow, a wrong path 404") {
    Fixture service;
    const auto answer = service.send(host::Method::del, "/v1/users");
    CHECK(answer.status == 405);
    CHECK(header_of(answer, "Allow").find("POST") != std::string::npos);
    CHECK(service.get("/v2/users").status == 404);
    CHECK(service.post("/v1/users/" + std::string{unknown} + "/x", "{}").status == 404);
}

TEST_CASE("a database that can only be read is 503 and nothing is half-written") {
    Fixture service;
    const auto id = service.create("a@b.c");
    service.rows("PRAGMA query_only = 1");
    const auto created = service.post("/v1/users", body_of("x@y.z", "Xan"));
    check_problem(created, 503, "storage-full");
    CHECK_FALSE(header_of(created, "Retry-After").empty());
    CHECK(service.put("/v1/users/" + id, body_of("x@y.z", "Xan")).status == 503);
    CHECK(service.get("/v1/users/" + id).status == 200);
    service.rows("PRAGMA query_only = 0");
    CHECK(service.post("/v1/users", body_of("x@y.z", "Xan")).status == 201);
    CHECK(service.users() == 2);
    CHECK(service.events().size() == 2);
}

TEST_CASE("M12: an event that cannot be written takes its user with it") {
    Fixture service;
    service.rows("DROP TABLE outbox_events");
    CHECK(service.post("/v1/users", body_of("a@b.c", "Ann")).status >= 400);
    CHECK(service.users() == 0);
}

TEST_CASE("M10: the health part users is required and speaks of the database") {
    fixture::EmbeddedUsers service;
    host::AppOptions options{.name = "test", .log_level = "error"};
    options.health.reuse = {};
    host::App app{options};
    users::mount(app, service.database, *service.store);
    const auto examine = [&] {
        return fixture::run(service.context, app.health().examine("users")).value();
    };
    CHECK(examine().need == host::Need::required);
    CHECK(examine().health.state == host::HealthState::up);
    service.rows("DROP TABLE users");
    CHECK(examine().health.state == host::HealthState::down);
    CHECK(examine().health.detail.find("migrate up") != std::string::npos);
}
