// SPDX-License-Identifier: MIT
// Relays that end before and after each step of a delivery lose nothing and repeat
// nothing.
#include <chaos/exactly_once/failpoint.hpp>
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

// Each place as often as asked for, in any order.
std::vector<std::string> plan(int rounds, std::mt19937& random) {
    std::vector<std::string> places;
    for (int i = 0; i < rounds; ++i) {
        places.insert(places.end(), failpoints.begin(), failpoints.end());
    }
    std::ranges::shuffle(places, random);
    return places;
}

// Every start and take-over passes the steps of a take-over once for each lane; the
// others come with each chunk.
int times(const std::string& place, std::mt19937& random) {
    const bool is_rare = place.ends_with("take-over") || place == "after fence";
    return 1 + static_cast<int>(random() % (is_rare ? 2 : 12));
}

}  // namespace

TEST_CASE("I1 to I8: kill -9 before and after each step of a delivery, two instances") {
    const int rounds = number_from("CHAOS_ROUNDS", is_long_form() ? 14 : 2);
    const auto seed = chosen_seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << seed);
    std::mt19937 random(seed);
    const Trial trial("kill -9 at each step");
    const World world;
    TopicReader reader(world.brokers(), world.topic());
    Writers writers(world.conninfo(), world.writers());
    auto places = plan(rounds, random);
    std::map<std::string, int> fired;
    std::vector<Instance> instances;
    std::vector<std::string> armed(2);
    const auto arm = [&](std::size_t i) {
        armed[i] = places.empty() ? "" : places.back();
        if (!places.empty()) places.pop_back();
        return Environment{
            {"CHAOS_FAILPOINT", armed[i]},
            {"CHAOS_FAILPOINT_NTH", std::to_string(times(armed[i], random))}};
    };
    for (std::size_t i = 0; i < 2; ++i) {
        instances.emplace_back(
            world, "lanes" + std::to_string(i), Environment{}, LANE_PROGRAM
        );
        instances[i].process().kill();
        instances[i].start(arm(i));
    }
    // Whoever has come to its place is started again with the next one.
    const auto turn = [&] {
        for (std::size_t i = 0; i < 2; ++i) {
            if (armed[i].empty() || instances[i].process().running()) continue;
            const bool is_killed = instances[i].process().wait() == 128 + SIGKILL;
            CHECK_MESSAGE(is_killed, armed[i] << ": " << instances[i].log());
            ++fired[armed[i]];
            instances[i].start(arm(i));
        }
        return armed[0].empty() && armed[1].empty();
    };
    const bool all_fired = eventually(turn, std::chrono::seconds{60 + 30 * rounds});
    CHECK_MESSAGE(all_fired, "not reached: " << armed[0] << ", " << armed[1]);
    writers.stop();
    CHECK(world.drained(reader));
    for (auto& instance : instances) CHECK_MESSAGE(instance.end(), instance.log());

    int kills = 0;
    for (const auto place : failpoints) {
        CHECK_MESSAGE(fired[std::string{place}] == rounds, place);
        kills += fired[std::string{place}];
    }
    const auto verdict = world.verdict(reader);
    const auto where = " at " + std::to_string(failpoints.size()) + " places";
    MESSAGE(trial.figures("kills " + std::to_string(kills) + where, verdict));
    CHECK(verdict.events >= writers.acknowledged());
    CHECK(verdict.is_clean());
}
