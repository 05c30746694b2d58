// SPDX-License-Identifier: MIT
// The embedded mode when the storage under it goes away.
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace resilience::e2e;

namespace {

int create(const Stack& stack, int number) {
    const auto email = "f" + std::to_string(number) + "@example.com";
    return stack.http()
        .post("/v1/users", R"({"email":")" + email + R"(","name":"N"})")
        .status;
}

// Lines of the server's log that hold both texts.
std::vector<std::string> lines(
    Stack& stack, const std::string& message, const std::string& more = {}
) {
    std::vector<std::string> found;
    std::istringstream text(stack.server().output());
    for (std::string line; std::getline(text, line);) {
        const bool holds = line.find(message) != std::string::npos;
        if (holds && line.find(more) != std::string::npos) found.push_back(line);
    }
    return found;
}

bool ready(const Stack& stack) { return stack.http().get("/readyz").status == 200; }

}  // namespace

TEST_CASE(
    "a full disk in embedded mode is 503 and not ready until there is room; nothing is "
    "half-written"
) {
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    stack.server().limit_files(400 * 1024);
    int created = 0;
    int status = 201;
    for (; status == 201 && created < 5000; ++created) status = create(stack, created);
    --created;
    CHECK(status == 503);
    CHECK(stack.http().get("/livez").status == 200);
    CHECK(eventually([&] { return !ready(stack); }));
    const auto part = stack.http().get("/health/users");
    CHECK(part.status == 503);
    CHECK(part.body.find("full or read-only") != std::string::npos);
    // It stays so, also for those who ask later.
    std::this_thread::sleep_for(std::chrono::seconds{2});
    CHECK_FALSE(ready(stack));
    CHECK(stack.sql("SELECT id FROM users").size() == static_cast<std::size_t>(created));
    CHECK(
        stack.sql("SELECT id FROM outbox_events").size() ==
        static_cast<std::size_t>(created)
    );

    stack.server().limit_files(RLIM_INFINITY);
    CHECK(eventually([&] { return ready(stack); }));
    CHECK(create(stack, created) == 201);
    CHECK(eventually([&] { return !lines(stack, "part is up again").empty(); }));
    CHECK(lines(stack, "part is up again").size() == 1);
    REQUIRE(lines(stack, "part is down").size() == 1);
    CHECK(lines(stack, "part is down", "\"part\":\"users\"").size() == 1);
    CHECK(lines(stack, "part is down", "\"error\":\"the storage is full").size() == 1);
}

TEST_CASE("a database that is removed under the server is told of and not written") {
    Stack stack(Stack::Kind::embedded, {{"LOG_LEVEL", "info"}});
    stack.start_server();
    REQUIRE(create(stack, 1) == 201);
    const auto file = stack.folder() / "resilience.db";
    const auto away = stack.folder() / "away.db";
    std::filesystem::rename(file, away);
    CHECK(create(stack, 2) == 503);
    CHECK(eventually([&] { return !ready(stack); }));
    CHECK(eventually([&] {
        return lines(stack, "part is down", "the file was removed").size() == 1;
    }));
    CHECK_FALSE(std::filesystem::exists(file));
    std::filesystem::rename(away, file);
    CHECK(eventually([&] { return ready(stack); }));
    CHECK(create(stack, 2) == 201);
    CHECK(stack.sql("SELECT id FROM users").size() == 2);
}

TEST_CASE("a table that is missing is 503, not ready, and blames no event") {
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    stack.start_relay();
    REQUIRE(create(stack, 1) == 201);
    REQUIRE(eventually([&] { return stack.delivered().size() == 1; }));
    stack.sql("ALTER TABLE users RENAME TO away");
    const auto refused =
        stack.http().post("/v1/users", R"({"email":"x@example.com","name":"N"})");
    CHECK(refused.status == 503);
    CHECK(refused.body.find("migrate up") != std::string::npos);
    CHECK(eventually([&] { return !ready(stack); }));
    stack.sql("ALTER TABLE away RENAME TO users");
    stack.sql("ALTER TABLE outbox_events RENAME TO away");
    CHECK(eventually([&] { return stack.relay_http().get("/readyz").status == 503; }));
    stack.sql("ALTER TABLE away RENAME TO outbox_events");
    CHECK(eventually([&] { return stack.relay_http().get("/readyz").status == 200; }));
    CHECK(create(stack, 2) == 201);
    CHECK(eventually([&] { return stack.delivered().size() == 2; }));
    CHECK(stack.sql("SELECT id FROM outbox_events WHERE status = 'FAILED'").empty());
}
