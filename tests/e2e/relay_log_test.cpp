// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace resilience::e2e;

namespace {

// An embedded stack, and what its relay says of itself.
struct Watched : Stack {
    Watched() : Stack(Kind::embedded) { start_server(); }

    void create_user() const {
        REQUIRE(http().post("/users", R"({"email":"a@b.c","name":"A"})").status == 201);
    }

    // How many lines of the relay's log have this text for `msg`.
    int told(const std::string& message) {
        const auto log = relay().output();
        const auto member = "\"msg\":\"" + message + "\"";
        int count = 0;
        for (auto at = log.find(member); at != std::string::npos;
             at = log.find(member, at + 1)) {
            ++count;
        }
        return count;
    }

    // A number of the relay's metrics; -1 when it is not there.
    double metric(const std::string& name) const {
        const auto text = "\n" + relay_http().get("/metrics").body;
        const auto at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1
                                       : std::stod(text.substr(at + name.size() + 2));
    }
};

}  // namespace

TEST_CASE(
    "O12, O19: a pause of the relay is told once, its end once, and both are counted"
) {
    Watched stack;
    const auto file = stack.folder() / "events.jsonl";
    std::filesystem::create_directory(file);
    stack.start_relay();
    stack.create_user();
    REQUIRE(eventually([&] { return stack.metric("relay_pauses_total") >= 2; }));
    CHECK(eventually([&] { return stack.metric("relay_paused") == 1; }));
    CHECK(eventually([&] { return stack.metric("outbox_events_pending") == 1; }));
    CHECK(stack.told("relay paused") == 1);
    CHECK(stack.relay().output().find(file.string() + ": open: ") != std::string::npos);
    CHECK(stack.told("relay resumed") == 0);

    std::filesystem::remove(file);
    REQUIRE(eventually([&] { return stack.told("relay resumed") == 1; }));
    CHECK(eventually([&] { return stack.delivered().size() == 1; }));
    CHECK(eventually([&] { return stack.metric("relay_paused") == 0; }));
    CHECK(eventually([&] {
        return stack.metric("relay_events_total{result=\"sent\"}") == 1;
    }));
    CHECK(stack.told("relay paused") == 1);
    // It was not the event's fault.
    CHECK(stack.sql("SELECT retry_count FROM outbox_events").at(0) == "0");
}

TEST_CASE("O7, O19: an event that is given up is told as an error and counted") {
    Watched stack;
    stack.create_user();
    (void)stack.sql("UPDATE outbox_events SET event_type = ''");
    stack.start_relay();
    REQUIRE(eventually([&] { return stack.told("events given up as FAILED") == 1; }));
    CHECK(eventually([&] {
        return stack.metric("relay_events_total{result=\"failed\"}") == 1;
    }));
    CHECK(stack.relay().output().find("\"level\":\"error\"") != std::string::npos);
    CHECK(stack.sql("SELECT status FROM outbox_events").at(0) == "FAILED");
}

TEST_CASE("O7, O15: an event that a dead relay held is told of, counted and delivered") {
    Watched stack;
    stack.create_user();
    (void)stack.sql(
        "UPDATE outbox_events SET status = 'PROCESSING', claimed_at = 0, claimed_by = 'x'"
    );
    stack.start_relay();
    REQUIRE(eventually([&] { return stack.told("stale events reset") == 1; }));
    CHECK(eventually([&] { return stack.delivered().size() == 1; }));
    CHECK(eventually([&] {
        return stack.metric("relay_events_total{result=\"stale_reset\"}") == 1;
    }));
}
