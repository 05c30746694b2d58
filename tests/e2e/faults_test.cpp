// SPDX-License-Identifier: MIT
// Servers of the stack are stopped, paused and started by scripts/services.
#include <chaos/load.hpp>
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <source_path.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

void services(const std::string& command) {
    shell("'" + resilience::tests::source_path("scripts/services") + "' " + command);
}

// Leaves the servers as they were, whatever the test did.
struct Restored {
    ~Restored() {
        for (const char* server : {"postgres", "redis", "kafka"}) {
            try {
                services(std::string("resume ") + server);
            } catch (const std::exception&) {
                // It was not paused.
            }
        }
        services("start");
    }
};

int create(const Stack& stack, int number) {
    const auto email = "f" + std::to_string(number) + "@example.com";
    return stack.http()
        .post("/v1/users", R"({"email":")" + email + R"(","name":"N"})")
        .status;
}

}  // namespace

TEST_CASE(
    "PostgreSQL down or slow: 503 with Retry-After, not ready, and recovery without a "
    "restart"
) {
    Stack stack(Stack::Kind::real, {{"DB_TIMEOUT", "1s"}});
    stack.start_server();
    REQUIRE(create(stack, 1) == 201);
    for (const std::string way : {"kill", "pause"}) {
        const Restored restored;
        services(way + " postgres");
        const auto start = std::chrono::steady_clock::now();
        const auto refused =
            stack.http().post("/v1/users", R"({"email":"x@example.com","name":"N"})");
        CHECK(refused.status == 503);
        CHECK_FALSE(refused.header("retry-after").empty());
        CHECK(refused.header("content-type").find("application/problem+json") == 0);
        CHECK(std::chrono::steady_clock::now() - start < 4s);
        CHECK(eventually([&] { return stack.http().get("/readyz").status == 503; }));
        CHECK(stack.http().get("/livez").status == 200);
        services(way == "pause" ? "resume postgres" : "start postgres");
        CHECK(eventually([&] { return stack.http().get("/readyz").status == 200; }));
        CHECK(eventually([&, number = 100]() mutable {
            return create(stack, (way == "pause" ? 1000 : 0) + ++number) == 201;
        }));
    }
}

TEST_CASE(
    "Redis down or slow: 503 with Retry-After, never an admission, and recovery without "
    "a restart"
) {
    Stack stack(Stack::Kind::real, {{"REDIS_TIMEOUT", "300ms"}});
    stack.start_server();
    const std::string consume =
        "/api/bucket/consume?key=" + stack.folder().filename().string();
    REQUIRE(stack.http().post(consume).status == 200);
    for (const std::string way : {"kill", "pause"}) {
        const Restored restored;
        services(way + " redis");
        const auto start = std::chrono::steady_clock::now();
        const auto refused = stack.http().post(consume);
        CHECK(refused.status == 503);
        CHECK_FALSE(refused.header("retry-after").empty());
        CHECK(std::chrono::steady_clock::now() - start < 3s);
        CHECK(eventually([&] { return stack.http().get("/readyz").status == 503; }));
        services(way == "pause" ? "resume redis" : "start redis");
        CHECK(eventually([&] { return stack.http().post(consume).status == 200; }));
        CHECK(eventually([&] { return stack.http().get("/readyz").status == 200; }));
    }
    CHECK(stack.server().output().find("part is up again") != std::string::npos);
}

TEST_CASE("M10: a server that refuses from the start is told of in its own words") {
    Stack stack(
        Stack::Kind::embedded,
        {{"DB_HOST", "127.0.0.1"}, {"DB_PORT", "1"}, {"REDIS_ADDR", "127.0.0.1:1"}}
    );
    stack.start_server();
    stack.start_relay();
    const auto lines = [](const Process& program, const std::string& part) {
        std::vector<std::string> found;
        std::istringstream text(program.output());
        for (std::string line; std::getline(text, line);) {
            if (line.find("part is down") != std::string::npos &&
                line.find("\"part\":\"" + part + '"') != std::string::npos) {
                found.push_back(line);
            }
        }
        return found;
    };
    const std::pair<const Process*, std::string> parts[] = {
        {&stack.server(), "users"},
        {&stack.server(), "bucket"},
        {&stack.relay(), "database"}};
    for (const auto& [program, part] : parts) {
        CHECK(eventually([&, program = program, part = part] {
            return !lines(*program, part).empty();
        }));
        const auto found = lines(*program, part);
        REQUIRE(found.size() == 1);
        CHECK(found.front().find("\"level\":\"warn\"") != std::string::npos);
        CHECK_MESSAGE(found.front().find("refused") != std::string::npos, found.front());
    }
}

TEST_CASE(
    "Kafka down: users are still created, and every event arrives in order after it "
    "returns"
) {
    Stack stack(
        Stack::Kind::real,
        {{"RELAY_MODE", "claim"},
         {"KAFKA_DELIVERY_TIMEOUT", "2s"},
         {"RELAY_STALE_AFTER", "5s"},
         {"RELAY_BATCH_SIZE", "10"}}
    );
    stack.start_server();
    stack.start_relay();
    REQUIRE(create(stack, 1) == 201);
    REQUIRE(drained(stack));
    {
        const Restored restored;
        services("kill kafka");
        {
            Load load(stack, 2);
            CHECK(eventually([&load] { return load.answered() > 200; }));
            CHECK(eventually([&] {
                return stack.relay_http().get("/readyz").status == 503;
            }));
        }
        CHECK(stack.sql("SELECT id FROM outbox_events WHERE status = 'FAILED'").empty());
        CHECK(stack.sql("SELECT id FROM outbox_events WHERE retry_count > 0").empty());
    }
    REQUIRE(drained(stack));
    CHECK(eventually([&] { return stack.relay_http().get("/readyz").status == 200; }));
    const auto findings = examine(stack);
    CHECK(findings.rows > 200);
    CHECK(findings.lost == 0);
    CHECK(findings.inversions == 0);
}
