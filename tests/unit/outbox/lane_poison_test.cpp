// SPDX-License-Identifier: MIT
// What becomes of events that cannot be delivered.
#include "unit/outbox/lane_world.hpp"

#include <resilience/dead_letter.hpp>
#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace lane_world;

namespace {

std::string header(const Event& event, std::string_view name) {
    std::string value;
    int times = 0;
    for (const auto& [key, text] : event.headers) {
        if (key != name) continue;
        value = text;
        ++times;
    }
    CHECK(times <= 1);
    return value;
}

std::vector<Draft> with_poison(Draft poison) {
    poison.key = 2;
    return {{.key = 1}, {.key = 2}, poison, {.key = 2}, {.key = 3}};
}

}  // namespace

TEST_CASE("a dead letter keeps the event and says where it was meant for, and why") {
    WindowEvent row;
    row.seq = 42;
    row.event.id = "id";
    row.event.aggregate_id = "7";
    row.event.event_data = "{\"a\":1}";
    row.event.topic = "orders";
    row.event.partition_key = "k";
    row.event.headers = {{"traceparent", "00-1"}, {"dead_letter_seq", "forged"}};

    SUBCASE("with its content") {
        const auto letter = dead_letter(row, fail(Errc::invalid_request, "no"), ".dlq");
        CHECK(letter.id == "id");
        CHECK(letter.topic == "orders.dlq");
        CHECK(letter.partition_key == "k");
        CHECK(letter.event_data == row.event.event_data);
        CHECK(header(letter, "traceparent") == "00-1");
        CHECK(header(letter, dead_letter_topic_header) == "orders");
        CHECK(header(letter, dead_letter_seq_header) == "42");
        CHECK(header(letter, dead_letter_reason_header) == "the request is invalid: no");
        CHECK(header(letter, dead_letter_content_header).empty());
    }
    SUBCASE("without a content that is too large") {
        const auto letter = dead_letter(row, fail(Errc::too_large), ".dlq");
        CHECK(letter.event_data == "null");
        CHECK(header(letter, "traceparent").empty());
        CHECK(header(letter, dead_letter_seq_header) == "42");
        CHECK_FALSE(header(letter, dead_letter_content_header).empty());
    }
    SUBCASE("with a reason that is cut between characters") {
        std::string text = "x";
        for (int i = 0; i < 600; ++i) text += "\xC3\xA4";
        const auto letter = dead_letter(row, fail(Errc::invalid_request, text), ".dlq");
        const auto reason = header(letter, dead_letter_reason_header);
        CHECK(reason.size() <= 1000);
        CHECK(reason.size() > 990);
        CHECK(reason.ends_with("\xC3\xA4"));
    }
}

TEST_CASE("halt_lane: what precedes a poisoned event is delivered, nothing after it") {
    World world;
    SUBCASE("a defect") { world.table.insert(with_poison({.defect = "data: is odd"})); }
    SUBCASE("too large") {
        world.lane.largest = 10;
        world.table.insert(with_poison({.text = 11}));
    }
    SUBCASE("a missing topic, whatever the policy") {
        world.options.poison = PoisonPolicy::dlq;
        world.lane.missing = {"nowhere"};
        world.table.insert(with_poison({.topic = "nowhere"}));
    }
    auto& instance = world.run(20s);
    CHECK(world.lane.log.size() == 2);
    const auto now = instance.snapshot();
    CHECK(now.state == LaneState::halted);
    CHECK_FALSE(now.reason.empty());
    CHECK(now.dead_letters == 0);
    CHECK(world.script.calls.size() < 200);
    // Nobody else gets past it either.
    world.run(2s);
    CHECK(world.lane.log.size() == 2);
    // Once the destination takes it, the lane goes on by itself.
    if (world.lane.largest == 10 || !world.lane.missing.empty()) {
        world.lane.largest = 1000;
        world.lane.missing.clear();
        world.run_on(3s);
        CHECK(world.findings().clean());
        CHECK(world.instance->snapshot().is_ready());
    }
}

TEST_CASE("halt_lane: a refusal is forgotten where another owner got past it") {
    World world;
    world.lane.largest = 10;
    world.table.insert(with_poison({.text = 11}));
    auto& first = world.run();
    CHECK(world.lane.log.size() == 2);
    world.lane.largest = 1000;
    Instance second{world.table, world.lane, world.script, world.options};
    second.time().run_for(10ms);
    CHECK(world.lane.log.size() == 5);
    first.time().run_for(2s);
    CHECK(first.snapshot().is_ready());
    world.table.insert(with_poison({}));
    world.run_on();
    CHECK(first.told.back().events.size() == 5);
    CHECK(world.findings().clean());
}

TEST_CASE("halt_lane: the reason names the row that has a defect") {
    World world;
    world.table.insert({{.key = 1, .defect = "data: is odd"}});
    const auto reason = world.run().snapshot().reason;
    CHECK(reason.find("seq 1: data: is odd") != std::string::npos);
}

TEST_CASE("dlq: the dead letter takes the event's place in the same transaction") {
    World world;
    world.options.poison = PoisonPolicy::dlq;
    std::string content = "11";
    SUBCASE("a defect") { world.table.insert(with_poison({.defect = "data: is odd"})); }
    SUBCASE("too large") {
        world.lane.largest = 10;
        content = "null";
        world.table.insert(with_poison({.text = 11}));
    }
    auto& instance = world.run();
    CHECK(world.findings().clean());
    CHECK(world.lane.topics() == std::vector<std::string>{"t", "t", "t.dlq", "t", "t"});
    CHECK(world.lane.log[2].event.event_data == content);
    CHECK(world.lane.committed.size() == 1);
    const auto now = instance.snapshot();
    CHECK(now.is_ready());
    CHECK(now.dead_letters == 1);
    CHECK(now.pauses == 0);
    CHECK(now.halts == 0);
    REQUIRE(instance.told.size() == 1);
    REQUIRE(instance.told[0].dead_letters.size() == 1);
    CHECK(instance.told[0].dead_letters[0].event == 2);
    CHECK(instance.told[0].events[2].seq == 3);
    CHECK_FALSE(instance.told[0].dead_letters[0].why.detail.empty());
}

TEST_CASE("dlq: a dead letter that is refused halts the lane before it") {
    World world;
    world.options.poison = PoisonPolicy::dlq;
    world.lane.largest = 10;
    world.lane.missing = {"t.dlq"};
    world.table.insert(with_poison({.text = 11}));
    const auto now = world.run(5s).snapshot();
    CHECK(world.lane.log.size() == 2);
    CHECK(now.state == LaneState::halted);
    CHECK(now.reason.ends_with("t.dlq"));
    world.lane.missing.clear();
    world.run_on(3s);
    CHECK(world.findings().clean());
    CHECK(world.lane.log.size() == 5);
}

TEST_CASE("dlq: a chunk is in doubt with its dead letters, and is told of once") {
    for (const bool keeps_open : {false, true}) {
        World world;
        world.options.poison = PoisonPolicy::dlq;
        world.lane.largest = 10;
        world.lane.keeps_open = keeps_open;
        world.fail_at(Step::decide, {fail(Errc::connection_lost)});
        world.table.insert(with_poison({.text = 11}));
        auto& instance = world.run();
        CHECK(world.findings().clean());
        CHECK(instance.told.size() == 1);
        CHECK(instance.snapshot().dead_letters == 1);
    }
}

TEST_CASE("a chunk that is refused and blames nobody is halved until it is taken") {
    World world;
    world.lane.most = 3;
    std::vector<Draft> drafts;
    for (int i = 0; i < 20; ++i) drafts.push_back({.key = i});
    world.table.insert(drafts);
    auto& instance = world.run();
    CHECK(world.findings().clean());
    CHECK(instance.snapshot().halts == 0);
    CHECK(instance.snapshot().pauses == 0);
    for (const auto& chunk : world.lane.committed) CHECK(chunk.records.size() <= 3);
}

TEST_CASE("a single event that is refused and not blamed halts the lane") {
    World world;
    world.options.poison = PoisonPolicy::dlq;
    world.lane.most = 0;
    world.table.insert({{.key = 1}, {.key = 2}});
    CHECK(world.run().snapshot().state == LaneState::halted);
    CHECK(world.lane.log.empty());
}

TEST_CASE("dlq: each event is delivered or dead-lettered, once, in random histories") {
    const auto first = testing::seed();
    for (std::uint64_t seed = first; seed < first + 300; ++seed) {
        CAPTURE(seed);
        testing::SeededRandom random{seed};
        World world;
        world.options.poison = PoisonPolicy::dlq;
        world.options.chunk_rows = 1 + random.below(6);
        world.options.chunk_bytes = random.below(2) == 0 ? 400 : 1'000'000;
        world.lane.largest = 50;
        world.lane.keeps_open = random.below(2) == 0;
        world.script.fault = [&](Step at) -> std::optional<Failure> {
            if (random.below(20) != 0) return std::nullopt;
            if (at >= Step::decide) return fail(Errc::connection_lost);
            return fail(Errc::aborted);
        };
        std::size_t poisoned = 0;
        for (int i = 0; i < 30; ++i) {
            Draft draft{
                .key = static_cast<int>(random.below(4)), .text = random.below(50)};
            const auto what = random.below(8);
            if (what == 0) draft.text = 51;
            if (what == 1) draft.defect = "headers: are odd";
            poisoned += what <= 1;
            world.table.insert({draft});
            if (!world.instance || random.below(6) == 0) world.start();
            for (auto n = random.below(40); n > 0; --n) world.instance->time().step();
        }
        world.drain();
        REQUIRE(world.findings().clean());
        std::size_t letters = 0;
        for (const auto& record : world.lane.log)
            letters += record.event.topic == "t.dlq";
        REQUIRE(letters == poisoned);
    }
}
