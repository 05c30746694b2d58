// SPDX-License-Identifier: MIT
// Relays that deliver exactly once and share the lanes of one outbox.
#include <chaos/load.hpp>
#include <e2e/harness/stack.hpp>
#include <e2e/lanes.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <source_path.hpp>
#include <sstream>
#include <string>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

// What is wrong with the numbers that each lane gives to its events.
std::size_t gaps(const std::vector<Message>& messages) {
    std::map<std::string, std::set<unsigned long>> lanes;
    for (const auto& message : messages) {
        REQUIRE_FALSE(message.lane_seq.empty());
        lanes[message.lane].insert(std::stoul(message.lane_seq));
    }
    std::size_t count = 0;
    for (const auto& [lane, seqs] : lanes) count += *seqs.rbegin() - seqs.size();
    return count;
}

void check_delivered_once(const Lanes& stack) {
    REQUIRE(stack.all_delivered());
    const auto findings = examine(stack);
    MESSAGE(findings.rows << " events");
    CHECK(findings.lost == 0);
    CHECK(findings.duplicates == 0);
    CHECK(findings.unknown == 0);
    CHECK(findings.inversions == 0);
    CHECK(findings.users_without_event == 0);
    CHECK(findings.events_without_user == 0);
    const auto messages = stack.delivered();
    CHECK(messages.size() == findings.rows);
    CHECK(gaps(messages) == 0);
}

}  // namespace

TEST_CASE(
    "I1, I7: two relays share the lanes, and each event is delivered once, whichever of "
    "them is killed"
) {
    const Lanes stack;
    stack.create_topic();
    Relay one(stack, "one");
    REQUIRE(one.owns(4));
    Relay two(stack, "two");
    CHECK(two.owns(2));
    CHECK(one.owns(2));
    {
        Load load(stack, 2);
        REQUIRE(eventually([&] { return load.answered() > 100; }));
        one.process->kill();
        CHECK(two.owns(4));
        REQUIRE(eventually([&] { return load.answered() > 200; }));
        Relay three(stack, "three");
        CHECK(three.owns(2));
        CHECK(two.owns(2));
        REQUIRE(eventually([&] { return load.answered() > 300; }));
        // What it has is given up in order.
        three.process->signal(SIGTERM);
        CHECK(three.process->wait() == 0);
        CHECK(two.owns(4));
        REQUIRE(eventually([&] { return load.answered() > 400; }));
    }
    check_delivered_once(stack);
    CHECK(two.is_ready());
    two.process->signal(SIGTERM);
    CHECK(two.process->wait() == 0);
    const auto log = two.process->output();
    CHECK_MESSAGE(log.find("\"msg\":\"lanes shared\"") != std::string::npos, log);
    CHECK_MESSAGE(log.find("\"msg\":\"lanes left\"") != std::string::npos, log);
}

TEST_CASE(
    "a relay whose session was ended shares the lanes again, and nothing comes twice"
) {
    const Lanes stack(2);
    stack.create_topic();
    Relay one(stack, "one");
    REQUIRE(one.owns(2));
    {
        const Load load(stack, 2);
        for (std::size_t count = 1; count <= 3; ++count) {
            REQUIRE(eventually([&] { return load.answered() > 50 * count; }));
            REQUIRE(one.owns(2));
            (void)stack.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'relay lanes' AND datname = current_database()"
            );
            const auto lost = "relay_membership_losses_total " + std::to_string(count);
            CHECK(eventually([&] { return one.shows(lost); }));
        }
    }
    check_delivered_once(stack);
    CHECK(one.owns(2));
    CHECK(one.is_ready());
}

TEST_CASE("a lane that an event halts is not ready and says why, until that is mended") {
    const Lanes stack(1);
    stack.create_topic();
    (void)stack.sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic) VALUES (gen_random_uuid(), 't', '1', 'e', '{}', 'no topic')"
    );
    CHECK(
        stack.http().post("/v1/users", R"({"email":"a@b.c","name":"A"})").status == 201
    );
    Relay one(stack, "one");
    std::string said;
    CHECK(eventually([&] {
        const auto reply = one.http().get("/readyz");
        said = one.http().get("/health").body;
        return reply.status == 503 &&
               said.find("lane 0 is halted: ") != std::string::npos;
    }));
    CHECK_MESSAGE(said.find("topic") != std::string::npos, said);
    CHECK(stack.delivered().empty());
    CHECK(eventually([&] { return one.shows(R"(relay_lane_lag_events{lane="0"} 2)"); }));
    // It tries again after each longest pause.
    (void)stack.sql("DELETE FROM outbox_events WHERE topic = 'no topic'");
    CHECK(one.is_ready());
    CHECK(stack.all_delivered());
    CHECK(eventually([&] { return one.shows(R"(relay_lane_lag_events{lane="0"} 0)"); }));
}

TEST_CASE("rows in lanes that nobody would run end the start with a sentence") {
    const Lanes stack(8);
    for (int i = 0; i < 20; ++i) {
        const auto email = "u" + std::to_string(i) + "@example.com";
        CHECK(
            stack.http()
                .post("/v1/users", R"({"email":")" + email + R"(","name":"N"})")
                .status == 201
        );
    }
    REQUIRE(stack.sql("SELECT max(lane) > 2 FROM outbox_events").at(0) == "t");
    auto environment = stack.environment();
    environment["RELAY_LANES"] = "2";
    environment["METRICS_PORT"] = std::to_string(free_port());
    Process relay({RELAY}, environment, stack.folder() / "relay.log");
    CHECK(relay.wait() == 2);
    const auto said = relay.output();
    CHECK_MESSAGE(said.find("RELAY_LANES: there are events in lane") != said.npos, said);
}

TEST_CASE("rows that come into lanes that nobody runs make a relay not ready") {
    const Lanes stack(2);
    stack.create_topic();
    Relay one(stack, "one");
    REQUIRE(one.is_ready());
    const auto write = [&](int lane) {
        (void)stack.sql(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, lane) VALUES (gen_random_uuid(), 't', '1', 'e', '{}', '" +
            stack.topic() + "', " + std::to_string(lane) + ")"
        );
    };
    write(2);
    std::string said;
    CHECK(eventually([&] {
        said = one.http().get("/health").body;
        return one.http().get("/readyz").status == 503 &&
               said.find("RELAY_LANES: there are events in lane 2") != said.npos;
    }));
    CAPTURE(said);
    // What it has goes on.
    write(1);
    CHECK(eventually([&] { return stack.delivered().size() == 1; }));
    (void)stack.sql("DELETE FROM outbox_events WHERE lane = 2");
    CHECK(one.is_ready());
}

TEST_CASE("RELAY_MODE=exactly_once without its servers ends the start with a sentence") {
    const ScratchFolder folder;
    Process relay(
        {RELAY},
        {{"RELAY_MODE", "exactly_once"}, {"DATA_DIR", folder.path().string()}},
        folder.path() / "log"
    );
    CHECK(relay.wait() == 2);
    const auto said = relay.output();
    CHECK_MESSAGE(
        said.find("RELAY_MODE: exactly_once needs PostgreSQL") != said.npos, said
    );
}

TEST_CASE("each metric that an alert names is one of the relay's") {
    const Lanes stack;
    Relay one(stack, "one");
    REQUIRE(one.owns(4));
    const auto body = "\n" + one.http().get("/metrics").body;
    std::ifstream file(resilience::tests::source_path("deploy/prometheus/relay.rules.yaml"
    ));
    std::set<std::string> names;
    const std::regex name("relay_[a-z_]+");
    for (std::string line; std::getline(file, line);) {
        for (std::sregex_iterator at(line.begin(), line.end(), name), end; at != end;
             ++at) {
            names.insert(at->str());
        }
    }
    CHECK(names.size() >= 10);
    for (const auto& one_name : names) {
        CHECK_MESSAGE(body.find("\n# TYPE " + one_name + ' ') != body.npos, one_name);
    }
}
