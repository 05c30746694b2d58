// SPDX-License-Identifier: MIT
// Keys that are parked: what is put aside, in which order, and when that ends.
#include "unit/outbox/lane_world.hpp"

#include <resilience/dead_letter.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace lane_world;

namespace {

std::string header(const Event& event, std::string_view name) {
    for (const auto& [key, text] : event.headers) {
        if (key == name) return text;
    }
    return {};
}

/// A lane whose policy is park_key, and the operator's words.
struct Parking : World {
    Parking() {
        options.poison = PoisonPolicy::park_key;
        options.find_unparks = [this](int number
                               ) -> net::awaitable<Result<std::vector<ParkedKey>>> {
            CHECK(number == options.lane);
            ++asked;
            co_await hop();
            if (deaf) co_return fail(Errc::unavailable, "nobody listens");
            if (insists) co_return words;
            co_return std::exchange(words, {});
        };
        lane.largest = 50;
    }

    std::vector<ParkedKey> words;
    bool deaf = false;
    /// Says them again and again.
    bool insists = false;
    int asked = 0;

    std::vector<ParkedKey> parked() const {
        return lane.position ? lane.position->parked : std::vector<ParkedKey>{};
    }
};

constexpr std::size_t poison = 51;

// What is wrong with how the records of keys were put aside: each parking begins with a
// poisoned event, has all events of its key until it ends, numbered from 1, and ends with
// a position that says so.
int faults(const MemoryLane& lane) {
    int count = 0;
    std::map<std::string, ParkedKey> open;
    for (const auto& chunk : lane.committed) {
        for (const auto& [event, lane_seq] : chunk.records) {
            const auto& key = *event.partition_key;
            const bool aside = event.topic == "t.parked";
            if (!aside && (open.contains(key) || event.topic != "t")) ++count;
            if (!aside) continue;
            auto& parking = open[key];
            if (parking.since == 0) {
                parking = {"t", key, lane_seq, 0};
                // Only what is wrong with itself begins one.
                if (header(event, dead_letter_reason_header).find("its key is parked") !=
                    std::string::npos) {
                    ++count;
                }
            }
            ++parking.events;
            if (header(event, parked_since_header) != std::to_string(parking.since) ||
                header(event, parked_number_header) != std::to_string(parking.events) ||
                header(event, dead_letter_topic_header) != "t") {
                ++count;
            }
        }
        std::map<std::string, ParkedKey> told;
        for (const auto& one : chunk.position.parked) told[one.key] = one;
        // A position without events may end some, and changes none.
        if (chunk.records.empty()) {
            std::erase_if(open, [&](const auto& one) {
                return !told.contains(one.first);
            });
        }
        if (told != open) ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("park_key: an event and all later ones of its key go aside, in their order") {
    Parking world;
    std::string reason;
    SUBCASE("too large") {
        world.table.insert({{.key = 1}, {.key = 2}, {.key = 2, .text = poison}});
        reason = "e3-";
    }
    SUBCASE("a defect") {
        world.table.insert({{.key = 1}, {.key = 2}, {.key = 2, .defect = "data: odd"}});
        reason = "data: odd";
    }
    world.table.insert({{.key = 2}, {.key = 1}, {.key = 2}});
    auto& instance = world.run();
    CHECK(world.findings().clean());
    CHECK(
        world.lane.topics() ==
        std::vector<std::string>{"t", "t", "t.parked", "t.parked", "t", "t.parked"}
    );
    CHECK(world.parked() == std::vector<ParkedKey>{{"t", "2", 3, 3}});
    CHECK(faults(world.lane) == 0);
    const auto& first = world.lane.log[2].event;
    CHECK(header(first, dead_letter_reason_header).find(reason) != std::string::npos);
    CHECK(header(first, parked_since_header) == "3");
    CHECK(header(world.lane.log[5].event, parked_number_header) == "3");
    CHECK(instance.snapshot().is_ready());
    CHECK(instance.snapshot().dead_letters == 3);
    std::vector<bool> behind;
    for (const auto& chunk : instance.told) {
        for (const auto& letter : chunk.dead_letters) behind.push_back(letter.is_behind);
    }
    CHECK(behind == std::vector<bool>{false, true, true});
}

TEST_CASE("park_key: the next owner goes on with the same keys, whatever its policy") {
    Parking world;
    world.table.insert({{.key = 1, .text = poison}});
    world.run();
    world.options.poison = PoisonPolicy::halt_lane;
    world.table.insert({{.key = 1}, {.key = 2}, {.key = 1, .text = poison}});
    world.run();
    CHECK(world.findings().clean());
    CHECK(world.parked() == std::vector<ParkedKey>{{"t", "1", 1, 3}});
    CHECK(faults(world.lane) == 0);
}

TEST_CASE("park_key: a parked event that is too large goes without its content") {
    Parking world;
    world.table.insert({{.key = 1, .defect = "data: odd"}, {.key = 1, .text = poison}});
    world.run();
    CHECK(world.lane.log.size() == 2);
    CHECK(world.lane.log[1].event.event_data == "null");
    CHECK(faults(world.lane) == 0);
}

TEST_CASE("park_key: topics have policies of their own, and keys are those of a topic") {
    Parking world;
    world.options.topic_poison = {
        {"mail", PoisonPolicy::dlq}, {"bills", PoisonPolicy::halt_lane}};
    world.table.insert(
        {{.key = 1, .text = poison},
         {.key = 1, .text = poison, .topic = "mail"},
         {.key = 1, .topic = "mail"},
         {.key = 2, .topic = "bills"},
         {.key = 1}}
    );
    auto& instance = world.run();
    CHECK(
        world.lane.topics() ==
        std::vector<std::string>{"t.parked", "mail.dlq", "mail", "bills", "t.parked"}
    );
    CHECK(instance.snapshot().is_ready());
    world.table.insert({{.key = 2, .text = poison, .topic = "bills"}});
    world.run_on();
    CHECK(instance.snapshot().state == LaneState::halted);
}

TEST_CASE("park_key: one key too many halts the lane before its event") {
    Parking world;
    world.options.max_parked = 2;
    world.table.insert({{.key = 1, .text = poison}, {.key = 2, .text = poison}});
    world.table.insert({{.key = 3}, {.key = 3, .text = poison}, {.key = 4}});
    const auto now = world.run(3s).snapshot();
    CHECK(now.state == LaneState::halted);
    CHECK(now.reason.find("max_parked") != std::string::npos);
    CHECK(world.lane.log.size() == 3);
    CHECK(world.parked().size() == 2);
    // Those that are parked are no more than that.
    world.words = {world.parked()[0]};
    world.options.max_parked = 3;
    world.run(3s);
    CHECK(world.findings().clean());
    CHECK(faults(world.lane) == 0);
}

TEST_CASE("unpark: a parking ends with the word that knows all of its events") {
    Parking world;
    world.table.insert({{.key = 1, .text = poison}, {.key = 1}, {.key = 2}});
    world.run(2s);
    REQUIRE(world.parked().size() == 1);
    const auto parked = world.parked().front();
    const auto said = [&](const ParkedKey& word) {
        world.words = {word};
        world.run_on(2s);
        CHECK(world.words.empty());
        return world.parked().empty();
    };
    REQUIRE(parked.events == 2);
    CHECK_FALSE(said({parked.topic, parked.key, parked.since, 1}));
    CHECK_FALSE(said({parked.topic, parked.key, parked.since, 3}));
    CHECK_FALSE(said({parked.topic, parked.key, parked.since + 1, 2}));
    // Of a lane whose positions were lost: its parkings had the same numbers.
    CHECK_FALSE(said({parked.topic, parked.key + "0", parked.since, 2}));
    CHECK_FALSE(said({parked.topic + "0", parked.key, parked.since, 2}));
    const auto before = world.lane.committed.size();
    CHECK(said(parked));
    // Told at once, by a position of its own.
    CHECK(world.lane.committed.size() == before + 1);
    CHECK(world.lane.committed.back().records.empty());
    world.table.insert({{.key = 1}});
    world.run_on();
    CHECK(world.lane.topics().back() == "t");
    CHECK(world.findings().clean());
    CHECK(faults(world.lane) == 0);
}

TEST_CASE("unpark: nobody is asked while no key is parked, nor oftener than told") {
    Parking world;
    world.table.insert({{.key = 1}});
    world.run(10s);
    CHECK(world.asked == 0);
    world.table.insert({{.key = 1, .text = poison}});
    world.run_on(10s);
    CHECK(world.asked >= 8);
    CHECK(world.asked <= 12);
}

TEST_CASE("unpark: what cannot be asked holds up no event") {
    Parking world;
    world.deaf = true;
    world.table.insert({{.key = 1, .text = poison}});
    world.run(3s);
    world.table.insert({{.key = 2}});
    world.run_on(3s);
    CHECK(world.findings().clean());
    CHECK(world.instance->snapshot().is_ready());
    world.deaf = false;
    world.words = world.parked();
    world.run_on(2s);
    CHECK(world.parked().empty());
}

TEST_CASE("park_key: keys are parked and unparked in order in random histories") {
    int parkings = 0;
    int ends = 0;
    const auto first = testing::seed();
    for (std::uint64_t seed = first; seed < first + 300; ++seed) {
        CAPTURE(seed);
        testing::SeededRandom random{seed};
        Parking world;
        world.options.chunk_rows = 1 + random.below(6);
        world.options.chunk_bytes = random.below(2) == 0 ? 400 : 1'000'000;
        world.options.unpark_interval = 1ms;
        world.lane.keeps_open = random.below(2) == 0;
        world.script.fault = [&](Step at) -> std::optional<Failure> {
            if (random.below(20) != 0) return std::nullopt;
            if (at >= Step::decide) return fail(Errc::connection_lost);
            return fail(Errc::aborted);
        };
        for (int i = 0; i < 40; ++i) {
            Draft draft{
                .key = static_cast<int>(random.below(4)), .text = random.below(50)};
            const auto what = random.below(12);
            if (what == 0) draft.text = poison;
            if (what == 1) draft.defect = "headers: are odd";
            world.table.insert({draft});
            for (const auto& one : world.parked()) {
                // Some words are late, and some of another parking.
                const auto events = one.events - random.below(2);
                if (random.below(3) != 0) continue;
                world.words.push_back({one.topic, one.key, one.since, events});
            }
            if (!world.instance || random.below(6) == 0) world.start();
            for (auto n = random.below(40); n > 0; --n) world.instance->time().step();
        }
        world.drain();
        REQUIRE(world.findings().clean());
        REQUIRE(faults(world.lane) == 0);
        for (const auto& record : world.lane.log) {
            parkings += header(record.event, parked_number_header) == "1";
        }
        ends -= static_cast<int>(world.parked().size());
    }
    ends += parkings;
    MESSAGE(parkings, " parkings, ", ends, " of which ended");
    CHECK(parkings > 500);
    CHECK(ends > 200);
}

TEST_CASE("I1, I2: parking and unparking are struck at any suspension, and go on") {
    for (const bool keeps_open : {false, true}) {
        Parking world;
        world.options.chunk_rows = 2;
        world.options.unpark_interval = 1ms;
        world.insists = true;
        std::optional<MemorySource> source;
        std::optional<MemorySink> sink;
        const auto scenario = [&](VirtualTime& time) -> net::awaitable<void> {
            world.table = {};
            world.lane = {};
            world.lane.largest = 50;
            world.lane.keeps_open = keeps_open;
            world.words = {{"t", "2", 2, 2}};
            world.table.insert(
                {{.key = 1}, {.key = 2, .text = poison}, {.key = 2}, {.key = 1}}
            );
            source.emplace(world.table, world.script);
            sink.emplace(world.lane, world.script);
            std::optional<LaneRelay> relay;
            const LaneRelayObserver observer{
                .committed = [&](const CommittedChunk& chunk) {
                    if (chunk.position.lane_seq == 4) relay->stop();
                }};
            relay.emplace(time.get_executor(), *source, *sink, world.options, observer);
            const auto ended = co_await relay->run();
            CHECK(ended.has_value());
        };
        const auto check = [&](const testing::CancelledRun&) {
            world.run(50ms);
            CHECK(world.findings().clean());
            CHECK(faults(world.lane) == 0);
            CHECK(world.parked().empty());
            world.instance.reset();
        };
        const auto report = testing::cancel_everywhere(scenario, check);
        CHECK(report.unfinished == 0);
        CHECK(report.endless == 0);
        CHECK(report.points > 40);
    }
}
