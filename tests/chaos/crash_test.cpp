// SPDX-License-Identifier: MIT
#include "load.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

using namespace resilience::e2e;

namespace {

constexpr int batch_size = 20;

unsigned seed() {
    const char* given = std::getenv("RESILIENCE_TEST_SEED");
    return given != nullptr ? static_cast<unsigned>(std::stoul(given))
                            : std::random_device{}();
}

// Kills server or relay at random instants under load and starts them again.
// Returns how often the relay was the one.
int kill_at_random(Stack& stack, int kills, std::mt19937& random) {
    int relay_kills = 0;
    for (int i = 0; i < kills; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 250));
        if (random() % 2 == 0) {
            stack.server().kill();
            stack.start_server();
        } else {
            ++relay_kills;
            stack.relay().kill();
            stack.start_relay();
        }
    }
    return relay_kills;
}

void survive(Stack::Kind kind, int kills) {
    const auto chosen = seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << chosen);
    std::mt19937 random(chosen);
    Stack stack(
        kind,
        {{"RELAY_MODE", "claim"},
         {"RELAY_BATCH_SIZE", std::to_string(batch_size)},
         {"KAFKA_DELIVERY_TIMEOUT", "2s"},
         {"RELAY_STALE_AFTER", "3s"},
         {"RELAY_POLL_INTERVAL", "20ms"}}
    );
    stack.start_server();
    stack.start_relay();
    Load load(stack, 4);
    const int relay_kills = kill_at_random(stack, kills, random);
    load.stop();
    REQUIRE(drained(stack));

    const auto findings = examine(stack);
    MESSAGE(
        kills << " kills (" << relay_kills << " of the relay), " << findings.rows
              << " events, " << findings.duplicates << " duplicates"
    );
    CHECK(findings.rows >= load.answered());
    CHECK(findings.lost == 0);
    CHECK(findings.unknown == 0);
    CHECK(findings.inversions == 0);
    CHECK(findings.users_without_event == 0);
    CHECK(findings.events_without_user == 0);
    if (kind == Stack::Kind::embedded) {
        CHECK(findings.duplicates == 0);
    } else {
        CHECK(findings.duplicates <= static_cast<std::size_t>(relay_kills) * batch_size);
    }
    // What was answered was committed.
    for (const auto& id : load.created()) {
        if (stack.http().get("/v1/users/" + id).status != 200)
            FAIL_CHECK("lost user " << id);
    }
}

}  // namespace

TEST_CASE(
    "O14, M21: 60 kill -9 of server and relay under load lose no event and keep each "
    "key's order"
) {
    survive(Stack::Kind::real, 60);
}

TEST_CASE(
    "O14, M21: 40 kill -9 without servers lose no event, and the file holds each once"
) {
    survive(Stack::Kind::embedded, 40);
}

TEST_CASE("O7, O16: several relays share one outbox without double claims or inversions"
) {
    Stack stack(
        Stack::Kind::real,
        {{"RELAY_MODE", "claim"},
         {"RELAY_BATCH_SIZE", "7"},
         {"RELAY_POLL_INTERVAL", "10ms"}}
    );
    stack.start_server();
    std::vector<Process> relays;
    for (int i = 0; i < 3; ++i) {
        auto environment = stack.environment();
        environment["METRICS_PORT"] = std::to_string(free_port());
        relays.emplace_back(
            std::vector<std::string>{RELAY},
            environment,
            stack.folder() / ("relay" + std::to_string(i))
        );
    }
    {
        Load load(stack, 4);
        eventually([&load] { return load.answered() > 600; });
    }
    REQUIRE(drained(stack));
    const auto findings = examine(stack);
    CHECK(findings.rows > 600);
    CHECK(findings.lost == 0);
    CHECK(findings.duplicates == 0);
    CHECK(findings.inversions == 0);
}
