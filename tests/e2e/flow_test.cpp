// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <doctest/doctest.h>

#include <signal.h>

#include <algorithm>
#include <sstream>

using namespace resilience::e2e;
namespace json = boost::json;

namespace {

constexpr Stack::Kind kinds[] = {Stack::Kind::embedded, Stack::Kind::real};

std::string text(const json::value& object, const char* name) {
    return std::string(object.as_object().at(name).as_string());
}

bool all_sent(const Stack& stack, std::size_t count) {
    return stack.sql("SELECT id FROM outbox_events WHERE status = 'SENT'").size() ==
           count;
}

}  // namespace

TEST_CASE("M6, M12, O5: a user is created and one event reaches the other side") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        const auto created =
            stack.http().post("/v1/users", R"({"email":"ada@example.com","name":"Ada"})");
        REQUIRE(created.status == 201);
        const auto id = text(created.json(), "id");
        CHECK(created.header("location").ends_with("/users/" + id));
        CHECK(text(created.json(), "email") == "ada@example.com");

        REQUIRE(eventually([&] { return all_sent(stack, 1); }));
        const auto messages = stack.delivered();
        REQUIRE(messages.size() == 1);
        CHECK(messages[0].type == "user.created");
        CHECK(messages[0].key == id);
        CHECK(text(json::parse(messages[0].data), "email") == "ada@example.com");
        CHECK(stack.sql("SELECT id FROM outbox_events") == std::vector{messages[0].id});
    }
}

TEST_CASE("M7, M8, X1: a user is read and changed at each of the three mounts") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        int number = 0;
        for (const std::string mount : {"/v1/users", "/api/users", "/users"}) {
            const auto email = "u" + std::to_string(++number) + "@example.com";
            const auto created = stack.http().post(
                mount, R"({"email":")" + email + R"(","name":"First"})"
            );
            REQUIRE(created.status == 201);
            const auto path = mount + "/" + text(created.json(), "id");
            CHECK(stack.http().get(path).json() == created.json());
            const auto changed = stack.http().call(
                "PUT", path, R"({"email":")" + email + R"(","name":"Second"})"
            );
            CHECK(changed.status == 200);
            CHECK(text(stack.http().get(path).json(), "name") == "Second");
        }
        REQUIRE(eventually([&] { return all_sent(stack, 6); }));
        const auto messages = stack.delivered();
        REQUIRE(messages.size() == 6);
        CHECK(std::ranges::count(messages, "user.updated", &Message::type) == 3);
        // Both events of a user are in the order of writing.
        for (const auto& message : messages) {
            const auto first = std::ranges::find(messages, message.key, &Message::key);
            CHECK(first->type == "user.created");
        }
    }
}

TEST_CASE("M2, M3, M19: the eleventh fast consume of a bucket of ten is refused") {
    for (const auto kind : kinds) {
        Stack stack(kind, {{"BUCKET_REFILL_RATE", "0.001"}});
        stack.start_server();
        const std::string key = "key=" + stack.folder().filename().string();
        CHECK(stack.http().get("/api/bucket/check?" + key).json().at("remaining") == 10);
        for (int i = 0; i < 10; ++i) {
            CHECK(
                stack.http().post("/api/bucket/consume?" + key + "&tokens=1").status ==
                200
            );
        }
        const auto refused =
            stack.http().post("/api/bucket/consume?" + key + "&tokens=1");
        CHECK(refused.status == 429);
        CHECK(std::stoll(refused.header("retry-after")) > 900);
        CHECK_FALSE(refused.header("ratelimit").empty());
        CHECK(refused.header("x-ratelimit-remaining") == "0");
        CHECK(stack.http().get("/api/bucket/check?" + key).json().at("remaining") == 0);
        CHECK(stack.http().post("/api/bucket/reset?" + key).status == 200);
        CHECK(stack.http().get("/api/bucket/check?" + key).json().at("remaining") == 10);
        CHECK(
            stack.http().post("/api/bucket/consume?" + key + "&tokens=11").status == 422
        );
    }
}

TEST_CASE("M5: bulk-consume takes all or nothing when it is atomic, else one by one") {
    for (const auto kind : kinds) {
        Stack stack(kind, {{"BUCKET_REFILL_RATE", "0.001"}});
        stack.start_server();
        const auto name = stack.folder().filename().string();
        const auto body = [&](bool atomic) {
            return R"({"requests":[{"key":")" + name + R"(-a","tokens":6},{"key":")" +
                   name + R"(-b","tokens":10},{"key":")" + name +
                   R"(-a","tokens":6}],"atomic":)" + (atomic ? "true}" : "false}");
        };
        // Together the two takes of the first key exceed its capacity: never possible.
        CHECK(stack.http().post("/api/bucket/bulk-consume", body(true)).status == 422);
        CHECK(
            stack.http().post("/api/bucket/consume?key=" + name + "-c&tokens=5").status ==
            200
        );
        const auto refused = R"({"requests":[{"key":")" + name +
                             R"(-b","tokens":1},{"key":")" + name +
                             R"(-c","tokens":6}],"atomic":true})";
        CHECK(stack.http().post("/api/bucket/bulk-consume", refused).status == 429);
        CHECK(
            stack.http()
                .get("/api/bucket/check?key=" + name + "-b")
                .json()
                .at("remaining") == 10
        );
        CHECK(stack.http().post("/api/bucket/bulk-consume", body(false)).status == 200);
        CHECK(
            stack.http()
                .get("/api/bucket/check?key=" + name + "-a")
                .json()
                .at("remaining") == 4
        );
        CHECK(
            stack.http()
                .get("/api/bucket/check?key=" + name + "-b")
                .json()
                .at("remaining") == 0
        );
    }
}

TEST_CASE("M20: a create leaves both the user row and the outbox row") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        REQUIRE(
            stack.http().post("/users", R"({"email":"a@b.c","name":"A"})").status == 201
        );
        CHECK(stack.sql("SELECT email FROM users") == std::vector<std::string>{"a@b.c"});
        CHECK(
            stack.sql("SELECT event_type, status FROM outbox_events") ==
            std::vector<std::string>{"user.created|NEW"}
        );
    }
}

TEST_CASE("M9, M21, O2: the event of a server that crashed after the commit is published"
) {
    for (const auto kind : kinds) {
        for (const std::string path : {"/test/crash", "/api/test/crash"}) {
            Stack stack(kind);
            stack.start_server();
            const auto reply = stack.http().post(
                path, R"({"email":"crash@example.com","name":"C","crash_after_db":true})"
            );
            CHECK(reply.status == 0);
            REQUIRE(stack.server().wait().has_value());
            CHECK(stack.server().wait() != 0);
            CHECK(
                stack.sql("SELECT status FROM outbox_events") ==
                std::vector<std::string>{"NEW"}
            );
            stack.start_relay();
            CHECK(eventually([&] { return stack.delivered().size() == 1; }));
        }
    }
}

TEST_CASE("X18: without ENABLE_TEST_ENDPOINTS=1 there is no crash route") {
    Stack stack(Stack::Kind::embedded, {{"ENABLE_TEST_ENDPOINTS", "0"}});
    stack.start_server();
    CHECK(
        stack.http().post("/test/crash", R"({"email":"a@b.c","name":"A"})").status == 404
    );
    CHECK(
        stack.http().post("/api/test/crash", R"({"email":"a@b.c","name":"A"})").status ==
        404
    );
}

TEST_CASE("M10, M22, O2, X13: health, liveness, readiness, metrics and OpenAPI are served"
) {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        for (const std::string path :
             {"/health",
              "/health/bucket",
              "/health/users",
              "/livez",
              "/readyz",
              "/metrics"}) {
            CHECK_MESSAGE(stack.http().get(path).status == 200, path);
        }
        const auto document = stack.http().get("/openapi.json").json();
        REQUIRE(document.is_object());
        for (const char* path :
             {"/v1/users", "/api/users/{id}", "/api/bucket/consume", "/health"}) {
            CHECK_MESSAGE(document.at("paths").as_object().contains(path), path);
        }
        CHECK(stack.relay_http().get("/readyz").status == 200);
        const std::string lag =
            kind == Stack::Kind::real ? "relay_lane_lag_seconds" : "outbox_lag_seconds";
        const auto metrics = stack.relay_http().get("/metrics").body;
        CHECK(metrics.find("# TYPE " + lag + " gauge") != std::string::npos);
    }
}

TEST_CASE("M14: a request id is kept when well formed, and a trace is continued") {
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    const auto kept = stack.http().call("GET", "/livez", "", {{"X-Request-Id", "abc-1"}});
    CHECK(kept.header("x-request-id") == "abc-1");
    const auto made =
        stack.http().call("GET", "/livez", "", {{"X-Request-Id", "a b\"c"}});
    CHECK(made.header("x-request-id") != "a b\"c");
    CHECK_FALSE(made.header("x-request-id").empty());
    const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const auto traced = stack.http().call(
        "GET", "/livez", "", {{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}}
    );
    CHECK(traced.header("traceparent").find(trace) != std::string::npos);
}

TEST_CASE("SIGTERM ends server and relay with exit code 0") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        REQUIRE(
            stack.http().post("/users", R"({"email":"a@b.c","name":"A"})").status == 201
        );
        stack.server().signal(SIGTERM);
        stack.relay().signal(SIGTERM);
        CHECK(stack.server().wait() == 0);
        CHECK(stack.relay().wait() == 0);
        // What the relay had claimed is settled: nothing is left half-done.
        CHECK(
            stack.sql("SELECT id FROM outbox_events WHERE status = 'PROCESSING'").empty()
        );
    }
}

TEST_CASE("O12: each line that server and relay log is a JSON object with its fields") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        const auto created = stack.http().call(
            "POST",
            "/users",
            R"({"email":"a@b.c","name":"A"})",
            {{"X-Request-Id", "log-1"}, {"Content-Type", "application/json"}}
        );
        CHECK(created.status == 201);
        (void)stack.http().call(
            "GET", "/users/nonsense%22", "", {{"X-Request-Id", "log-2"}}
        );
        REQUIRE(eventually([&] { return all_sent(stack, 1); }));
        std::vector<std::string> requests;
        for (auto* process : {&stack.server(), &stack.relay()}) {
            process->signal(SIGTERM);
            REQUIRE(process->wait() == 0);
            std::istringstream log(process->output());
            int lines = 0;
            for (std::string line; std::getline(log, line); ++lines) {
                const auto entry = json::parse(line);
                for (const char* field : {"timestamp", "level", "msg"}) {
                    CHECK_MESSAGE(entry.as_object().contains(field), line);
                }
                if (!entry.as_object().contains("request_id")) continue;
                CHECK_MESSAGE(entry.as_object().contains("trace_id"), line);
                requests.push_back(text(entry, "request_id"));
            }
            CHECK(lines > 0);
        }
        for (const char* id : {"log-1", "log-2"}) {
            CHECK_MESSAGE(std::ranges::count(requests, id) == 1, id);
        }
    }
}
