// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <source_path.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::e2e;

namespace {

constexpr Stack::Kind kinds[] = {Stack::Kind::embedded, Stack::Kind::real};

// Server and relay as `make unified-server` and `make relay` run them.
struct Running : Stack {
    explicit Running(Kind kind, const Environment& more = {}) : Stack(kind, more) {
        start_server();
        start_relay();
    }

    // Runs one of scripts/ against them; what it printed.
    std::string script(const std::string& command) const {
        return run(
            "BASE_URL=http://127.0.0.1:" + std::to_string(port()) + " '" +
            tests::source_path("scripts/") + "'" + command
        );
    }
};

void contains(const std::string& text, const std::string& part) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

}  // namespace

TEST_CASE("M18, M19: the scenario of the token bucket passes against a running server") {
    for (const auto kind : kinds) {
        // However slow the machine is, nothing comes back meanwhile.
        const Running stack(kind, {{"BUCKET_REFILL_RATE", "0.001"}});
        contains(
            stack.script("scenarios/token_bucket.sh"), "PASSED: 10 admitted, 5 refused"
        );
    }
}

TEST_CASE("M18: the scenario of the token bucket fails where nothing is refused") {
    const Running stack(
        Stack::Kind::embedded, {{"BUCKET_CAPACITY", "100"}, {"BUCKET_REFILL_RATE", "1"}}
    );
    // The script is not told of that capacity.
    CHECK_THROWS_WITH_AS(
        stack.run(
            "env -u BUCKET_CAPACITY BASE_URL=http://127.0.0.1:" +
            std::to_string(stack.port()) + " '" +
            tests::source_path("scripts/scenarios/token_bucket.sh") + "'"
        ),
        doctest::Contains("FAILED: nothing was refused"),
        std::runtime_error
    );
}

TEST_CASE("M18, M20: the scenario of the users passes and finds the event in the outbox"
) {
    for (const auto kind : kinds) {
        const Running stack(kind);
        const auto output = stack.script("scenarios/user_api.sh");
        contains(output, "the newest event of atomic-");
        contains(output, "\nPASSED\n");
    }
}

TEST_CASE("M18, M20: the scenario of the users fails where it cannot see the outbox") {
    const Running stack(Stack::Kind::embedded);
    CHECK_THROWS_WITH_AS(
        stack.run(
            "env DATA_DIR=" + (stack.folder() / "elsewhere").string() +
            " BASE_URL=http://127.0.0.1:" + std::to_string(stack.port()) + " '" +
            tests::source_path("scripts/scenarios/user_api.sh") + "'"
        ),
        doctest::Contains("cannot be read from here"),
        std::runtime_error
    );
}

TEST_CASE("M18, M21: the scenario of the crash kills the server and finds its event sent"
) {
    for (const auto kind : kinds) {
        Running stack(kind);
        contains(stack.script("scenarios/crash.sh"), "PASSED: the server died");
        CHECK(stack.server().wait() != 0);
    }
}

TEST_CASE(
    "M17, M20, O12: check-outbox shows id, type, status and time of the newest events"
) {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        REQUIRE(
            stack.http().post("/users", R"({"email":"a@b.c","name":"A"})").status == 201
        );
        const std::string check = "'" + tests::source_path("scripts/check-outbox") + "'";
        const auto id = stack.sql("SELECT id FROM outbox_events").at(0);
        const auto table = stack.run(check);
        for (const std::string column : {"id", "event_type", "status", "created_at"}) {
            contains(table.substr(0, table.find('\n')), column);
        }
        for (const std::string& cell :
             {id, std::string{"user.created"}, std::string{"NEW"}})
            contains(table, cell);
        stack.start_relay();
        CHECK(eventually([&] {
            return stack.run(check).find("SENT") != std::string::npos;
        }));
        CHECK(stack.run(check + " --status a@b.c") == "SENT\n");
        // A row number is not more than that.
        CHECK_THROWS_WITH_AS(
            stack.run(check + " '1; DROP TABLE users'"),
            doctest::Contains("is not a number of rows"),
            std::runtime_error
        );
    }
}

TEST_CASE("M17, M22: status says which programs answer") {
    Running stack(Stack::Kind::embedded);
    const auto up = stack.script("status");
    const auto url = "http://127.0.0.1:" + std::to_string(stack.port());
    contains(up, "unified-server: healthy at " + url + "/health");
    contains(up, "token bucket: healthy at " + url + "/health/bucket");
    contains(up, "users: healthy at " + url + "/health/users");
    contains(up, "relay: healthy at ");
    stack.server().kill();
    contains(stack.script("status"), "unified-server: no answer at " + url + "/health");
}
