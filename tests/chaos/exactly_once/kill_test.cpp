// SPDX-License-Identifier: MIT
// Relays that are killed at any moment deliver each event once and in order.
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

TEST_CASE("I1 to I8: kill -9 of two relays at random, under writers of all kinds") {
    const int kills = number_from("CHAOS_KILLS", is_long_form() ? 700 : 70);
    const auto seed = chosen_seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << seed);
    std::mt19937 random(seed);
    const Trial trial("kill -9 at random");
    const World world;
    TopicReader reader(world.brokers(), world.topic());
    std::vector<Instance> instances;
    for (const char* name : {"one", "two"}) instances.emplace_back(world, name);
    Writers writers(world.conninfo(), world.writers());
    int ended_alone = 0;
    for (int i = 0; i < kills; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 500));
        auto& victim = instances[random() % instances.size()];
        if (!victim.process().running()) ++ended_alone;
        victim.process().kill();
        victim.start();
    }
    writers.stop();
    CHECK(ended_alone == 0);
    CHECK(world.drained(reader));
    for (auto& instance : instances) CHECK_MESSAGE(instance.end(), instance.log());

    const auto verdict = world.verdict(reader);
    MESSAGE(trial.figures("kills " + std::to_string(kills), verdict));
    CHECK(verdict.events >= writers.acknowledged());
    CHECK(verdict.events > static_cast<std::size_t>(kills));
    CHECK(verdict.is_clean());
}
