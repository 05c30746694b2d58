// SPDX-License-Identifier: MIT
// Keys that are put aside behind an event that is refused, and brought back.
#include <chaos/exactly_once/command.hpp>
#include <chaos/exactly_once/oversize.hpp>
#include <chaos/exactly_once/topic_admin.hpp>
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;
using resilience::Event;

namespace {

// Two keys go to a topic where what is refused becomes a dead letter.
bool goes_elsewhere(const Event& event) {
    return event.aggregate_id == "k1" || event.aggregate_id == "k7";
}

// One event of a hundred, each of the same few keys.
bool is_poison(const Event& event) {
    static const std::set<std::string> some{"k1", "k2", "k3", "k4", "k7", "k11"};
    return some.contains(event.aggregate_id) && std::stoi(event.event_type) % 12 == 5;
}

struct Topics {
    explicit Topics(const World& world) : main(world.topic()), other(main + "-other") {
        create_topic(world.brokers(), other, limit);
        create_topic(world.brokers(), main + ".parked");
        create_topic(world.brokers(), other + ".dlq");
        for (const auto& name : {main, other, other + ".dlq", main + ".parked"}) {
            readers.emplace_back(world.brokers(), name);
        }
    }

    const std::map<std::string, std::string> limit{
        {"max.message.bytes", std::to_string(topic_limit)}};
    std::string main;
    std::string other;
    std::vector<TopicReader> readers;
};

// Whether each committed event was delivered by a lane, or put aside.
bool is_settled(const World& world, Topics& topics) {
    const auto rows = written_in(world.conninfo()).size();
    return eventually(
        [&] {
            std::size_t count = 0;
            for (auto& reader : topics.readers) {
                reader.read();
                count += static_cast<std::size_t>(std::ranges::count_if(
                    reader.delivered(), [](const auto& one) { return one.lane >= 0; }
                ));
            }
            return count >= rows;
        },
        90s
    );
}

Verdict judge_all(const World& world, Topics& topics) {
    const auto rows = written_in(world.conninfo());
    std::vector<Delivered> by_lanes;
    std::vector<Delivered> arrived;
    std::int64_t undecided = 0;
    for (auto& reader : topics.readers) {
        reader.read();
        undecided += reader.undecided();
        for (const auto& one : reader.delivered()) {
            if (one.lane >= 0) by_lanes.push_back(one);
            if (one.topic != topics.main + ".parked") arrived.push_back(one);
        }
    }
    // What the lanes did: each event once, in its topic or put aside.
    const auto lanes = judge(rows, by_lanes, undecided);
    CHECK_MESSAGE(lanes.is_clean(), lanes.text());
    // And what came of it: each event once, where it belongs or as a dead letter. What
    // was brought back has no number of a lane.
    auto verdict = judge(rows, arrived, undecided);
    verdict.lane_faults = lanes.lane_faults;
    return verdict;
}

// Brings all keys back that were put aside, by commands that are killed.
void unpark_all(
    const World& world,
    const Topics& topics,
    const std::set<std::string>& keys,
    CommandKiller& killer
) {
    for (const auto& key : keys) {
        const std::vector<std::string> unpark{"unpark", key, "--topic", topics.main};
        killer.run(unpark, 1);
        const auto ran = run_outbox(world, unpark);
        // The word of one that was killed may be heard, before or meanwhile.
        const bool is_over =
            ran.text.find("the key is not parked") != std::string::npos ||
            ran.text.find("somebody else has just unparked it") != std::string::npos;
        CHECK_MESSAGE((ran.code == 0 || is_over), ran.text);
    }
}

}  // namespace

TEST_CASE("I2: parked keys are brought back: every event once, and every key in order") {
    const int rounds = number_from("CHAOS_PARKINGS", is_long_form() ? 20 : 1);
    const auto seed = chosen_seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << seed);
    const Trial trial("parked and brought back");
    WorldOptions where;
    where.relay["RELAY_POISON"] = "park_key";
    const World world(where);
    Topics topics(world);
    auto& parked = topics.readers.back();
    Instance relay(world, "relay", {{"RELAY_POISON_TOPICS", topics.other + "=dlq"}});
    auto options = world.writers();
    options.shape = [&](Event& event, std::mt19937& dice) {
        if (is_poison(event)) event.event_data = oversize(dice);
        if (goes_elsewhere(event)) event.topic = topics.other;
    };
    std::size_t acknowledged = 0;
    const auto write = [&](std::size_t events, auto between) {
        Writers writers(world.conninfo(), options);
        REQUIRE(eventually([&] { return writers.acknowledged() > events / 2; }));
        between();
        REQUIRE(eventually([&] { return writers.acknowledged() > events; }));
        writers.stop();
        acknowledged += writers.acknowledged();
    };

    CommandKiller killer(world, seed);
    for (int round = 0; round < rounds; ++round) {
        change_topic(world.brokers(), topics.main, topics.limit);
        // Which keys are parked outlasts their owner.
        write(900, [&] {
            relay.process().kill();
            relay.start();
        });
        const auto before = parked.delivered().size();
        CHECK(is_settled(world, topics));
        std::set<std::string> keys;
        for (const auto& one : std::span{parked.delivered()}.subspan(before)) {
            keys.insert(one.key);
        }
        CHECK(keys.size() > 1);
        change_topic(world.brokers(), topics.main, {});
        unpark_all(world, topics, keys, killer);
    }
    // The keys are as any others again.
    const auto aside = parked.delivered().size();
    write(200, [] {});
    CHECK(is_settled(world, topics));
    CHECK_MESSAGE(relay.end(), relay.log());
    const auto verdict = judge_all(world, topics);
    CHECK(parked.delivered().size() == aside);
    const auto dead = topics.readers[2].delivered().size();
    MESSAGE(trial.figures(
        "put aside " + std::to_string(aside) + ", dead letters " + std::to_string(dead) +
            ", kills of the command " + std::to_string(killer.kills()),
        verdict
    ));
    CHECK(verdict.events >= acknowledged);
    CHECK(verdict.is_clean());
    CHECK(dead > 0);
    CHECK(killer.kills() > 0);
    const auto verified = run_outbox(world, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
}
