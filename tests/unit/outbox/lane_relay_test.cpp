// SPDX-License-Identifier: MIT
// The loop of one lane, invariant by invariant.
#include "unit/outbox/lane_world.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace lane_world;

namespace {

std::vector<Draft> drafts(int count, std::size_t text = 2) {
    std::vector<Draft> list;
    for (int i = 0; i < count; ++i) list.push_back({.key = i, .text = text});
    return list;
}

std::size_t position_of(const Script& script, const std::string& call) {
    const auto at = std::ranges::find(script.calls, call);
    return static_cast<std::size_t>(at - script.calls.begin());
}

}  // namespace

TEST_CASE("I2: each event leaves once, with one position for each transaction") {
    World world;
    world.table.insert(drafts(3));
    world.run();
    world.table.insert(drafts(1));
    world.run_on();
    CHECK(world.lane.log.size() == 4);
    CHECK(world.findings().clean());
    REQUIRE(world.lane.committed.size() == 2);
    CHECK(world.lane.committed[0].position.lane_seq == 3);
    CHECK(world.lane.committed[0].position.batch_seq == 1);
    CHECK(world.lane.committed[1].position.lane_seq == 4);
    CHECK(world.lane.committed[1].position.batch_seq == 2);
    CHECK(world.lane.committed[1].position.source == world.table.identity);
    for (const auto& [records, position, epoch] : world.lane.committed) {
        CHECK(position.seen == position.window);
        CHECK(position.last_seq == 0);
    }
    const auto now = world.instance->snapshot();
    CHECK(now.is_ready());
    CHECK(now.events == 4);
    CHECK(now.chunks == 2);
    CHECK(now.last_chunk == 1);
    CHECK(now.position == *world.lane.position);
    REQUIRE(now.caught_up.has_value());
    CHECK(world.instance->time().now() - *now.caught_up <= 20ms);
    CHECK_FALSE(now.window_since.has_value());
}

TEST_CASE("I1: a successor goes on from the committed position") {
    World world;
    world.table.insert(drafts(3));
    world.run();
    world.table.insert(drafts(3));
    world.run();
    CHECK(world.lane.log.size() == 6);
    CHECK(world.lane.committed.size() == 2);
    CHECK(world.findings().clean());
}

TEST_CASE("I1: a commit in doubt is decided by the position, whichever way it went") {
    for (const bool committed : {false, true}) {
        for (const auto step : {Step::decide, Step::answer}) {
            CAPTURE(committed);
            World world;
            world.lane.keeps_open = committed;
            world.fail_at(step, {fail(Errc::timed_out_in_doubt)});
            world.table.insert(drafts(2));
            auto& instance = world.run();
            CHECK(world.lane.log.size() == 2);
            CHECK(world.findings().clean());
            CHECK(instance.snapshot().doubts == 1);
            CHECK(instance.snapshot().take_overs == 2);
            CHECK(instance.snapshot().pauses == 0);
            // Told once, also when only the position told.
            REQUIRE(instance.told.size() == 1);
            CHECK(instance.told[0].events.size() == 2);
            CHECK(instance.told[0].position == *world.lane.position);
            CHECK(instance.snapshot().chunks == 1);
        }
    }
}

TEST_CASE("I3: a window ends with a slice that is short in rows and in bytes alone") {
    World world;
    world.options.chunk_rows = 100;
    SUBCASE("the bytes end the slice") { world.options.chunk_bytes = 300; }
    SUBCASE("one row for each slice") { world.options.chunk_bytes = 1; }
    SUBCASE("the rows end the slice") { world.options.chunk_rows = 4; }
    SUBCASE("without reading ahead") {
        world.options.chunk_bytes = 300;
        world.options.read_ahead = false;
    }
    world.table.insert(drafts(20, 100));
    world.run();
    CHECK(world.lane.log.size() == 20);
    CHECK(world.lane.committed.size() > 1);
    CHECK(world.findings().clean());
    CHECK(world.script.count("gate") == 1);
    world.table.insert(drafts(1));
    world.run_on();
    CHECK(world.findings().clean());
}

TEST_CASE("I3: what commits late is in a later window, though its seq is smaller") {
    World world;
    const auto late = world.table.begin();
    world.table.write(late, {.key = 1});
    world.table.insert({{.key = 2}});
    world.run();
    CHECK(world.lane.log.size() == 1);
    world.table.commit(late);
    world.run_on();
    CHECK(world.lane.log.size() == 2);
    CHECK(world.findings().clean());
}

TEST_CASE("I3: the same snapshot is not read again, an empty window not committed") {
    World world;
    world.run();
    CHECK(world.script.count("look") > 1);
    CHECK(world.script.count("read") == 1);
    world.table.insert({{.lane = 1}});
    world.run_on();
    CHECK(world.script.count("read") == 2);
    CHECK(world.script.count("gate") == 0);
    CHECK(world.lane.committed.empty());
    world.table.insert({{.lane = 0}});
    world.run_on();
    CHECK(world.lane.log.size() == 1);
}

TEST_CASE("I4: a chunk that failed is read again as the same rows") {
    World world;
    world.options.chunk_rows = 3;
    world.fail_at(Step::begin, {fail(Errc::aborted), fail(Errc::unavailable)});
    world.table.insert(drafts(8));
    auto& instance = world.run();
    CHECK(world.lane.log.size() == 8);
    CHECK(world.findings().clean());
    CHECK(instance.snapshot().aborts == 2);
    CHECK(instance.snapshot().take_overs == 3);
}

TEST_CASE("I6: nothing leaves before its window is durable, and the gate is asked once") {
    World world;
    world.table.insert(drafts(2));
    world.start();
    CHECK(world.table.flushed() == 0);
    while (world.lane.log.empty()) REQUIRE(world.instance->time().step());
    CHECK(world.table.flushed() == world.table.lsn());
    CHECK(position_of(world.script, "gate") < position_of(world.script, "commit 2"));
    CHECK(world.instance->snapshot().gates == 1);
}

TEST_CASE("I6: nothing leaves while the gate fails") {
    World world;
    world.fail_at(
        Step::gate,
        {fail(Errc::timed_out_in_doubt),
         fail(Errc::timed_out_in_doubt),
         fail(Errc::unavailable)}
    );
    world.table.insert(drafts(2));
    world.run();
    CHECK(world.script.count("gate") == 4);
    CHECK(world.script.count("commit 2") == 1);
    CHECK(world.findings().clean());
}

TEST_CASE("I6: what a crash of the server takes back was not delivered") {
    World world;
    world.script.fault = [&](Step at) -> std::optional<Failure> {
        // The server goes when the gate is asked.
        if (at == Step::gate && world.table.crashes() == 0) {
            world.table.crash();
            return fail(Errc::connection_lost);
        }
        return std::nullopt;
    };
    world.table.insert(drafts(2));
    world.run();
    CHECK(world.lane.log.empty());
    world.table.insert(drafts(1));
    world.run_on();
    CHECK(world.lane.log.size() == 1);
    CHECK(world.findings().clean());
}

TEST_CASE("I6: an empty window that was not durable is forgotten after a failure") {
    World world;
    world.run();
    // An event of another lane, whose transaction is lost; the next one gets its number.
    world.table.insert({{.lane = 1}});
    world.run_on();
    world.table.crash();
    world.table.insert({{.lane = 0}});
    world.run_on();
    CHECK(world.lane.log.size() == 1);
    CHECK(world.findings().clean());
}

TEST_CASE("I7: the lane is taken over before its position is used") {
    World world;
    world.table.insert(drafts(1));
    world.run();
    REQUIRE(world.script.calls.size() > 2);
    CHECK(world.script.calls[0] == "identity");
    CHECK(world.script.calls[1] == "take_over");
    CHECK(world.script.calls[2] == "look");
}

TEST_CASE("I7: who is fenced stops, says so, and may compete again") {
    World world;
    auto& first = world.run();
    Instance second{world.table, world.lane, world.script, world.options};
    second.time().run_for(10ms);
    world.table.insert(drafts(2));
    world.run_on();
    REQUIRE(first.ended.has_value());
    REQUIRE(first.ended->has_error());
    CHECK(first.ended->error() == Errc::fenced);
    CHECK(first.snapshot().state == LaneState::fenced);
    CHECK_FALSE(first.snapshot().is_ready());
    CHECK(first.snapshot().fences == 1);
    CHECK(world.lane.log.empty());
    first.start();
    world.run_on();
    CHECK(first.snapshot().is_ready());
    CHECK(world.lane.log.size() == 2);
    second.time().run_for(100ms);
    world.table.insert(drafts(2));
    second.time().run_for(100ms);
    CHECK(second.ended.has_value());
    world.run_on();
    CHECK(world.findings().clean());
}

TEST_CASE("I8: after a commit that failed the lane is taken over before the next") {
    for (const auto step : {Step::begin, Step::send, Step::decide, Step::answer}) {
        World world;
        world.options.chunk_rows = 2;
        world.fail_at(step, {fail(Errc::aborted), fail(Errc::connection_lost)});
        world.table.insert(drafts(5));
        auto& instance = world.run();
        CHECK(instance.sink().commits_unready == 0);
        CHECK(instance.snapshot().take_overs == 3);
        CHECK(world.findings().clean());
    }
}

TEST_CASE("I8: after a failure of the source the lane goes back to what is committed") {
    for (const auto step : {Step::look, Step::read, Step::gate}) {
        World world;
        world.fail_at(step, {fail(Errc::unavailable, "gone")});
        world.table.insert(drafts(2));
        auto& instance = world.run();
        CHECK(instance.snapshot().take_overs == 2);
        CHECK(instance.snapshot().pauses == 1);
        CHECK(world.findings().clean());
    }
}

TEST_CASE("I11: a position of another history is refused, and nothing is read") {
    const std::pair<std::uint32_t SourceIdentity::*, const char*> parts[] = {
        {&SourceIdentity::timeline, "the timeline is 9, the position's 1"},
        {&SourceIdentity::database, "the database's oid is 9"},
        {&SourceIdentity::table, "the table's oid is 8"}};
    for (const auto& [part, words] : parts) {
        World world;
        world.table.insert(drafts(1));
        world.run();
        const auto reads = world.script.count("read");
        const auto known = world.table.identity;
        world.table.identity.*part = part == &SourceIdentity::table ? 8 : 9;
        world.table.insert(drafts(1));
        auto& instance = world.run(10s);
        const auto now = instance.snapshot();
        CHECK(now.state == LaneState::halted);
        CHECK_FALSE(now.is_ready());
        CHECK(now.reason.find(words) != std::string::npos);
        CHECK(now.reason.find("compare the table") != std::string::npos);
        CHECK(now.halts == 1);
        CHECK(world.script.count("read") == reads);
        CHECK(world.lane.log.size() == 1);
        // It tries seldom, and goes on when somebody has helped.
        CHECK(world.script.count("identity") < 15);
        world.table.identity = known;
        world.run_on(2s);
        CHECK(instance.snapshot().is_ready());
        CHECK(world.findings().clean());
    }
}

TEST_CASE("I11: a position of other lanes is refused") {
    World world;
    world.table.insert(drafts(1));
    world.run();
    world.options.map_version = 1;
    const auto now = world.run().snapshot();
    CHECK(now.state == LaneState::halted);
    CHECK(now.reason.find("map_version is 1, the position's 0") != std::string::npos);
}

TEST_CASE("I11: a lane that has lost its position is refused") {
    World world;
    world.options.first_seen.reset();
    world.table.insert(drafts(1));
    const auto now = world.run().snapshot();
    CHECK(now.state == LaneState::halted);
    CHECK(now.reason.find("lane 0: has no position") != std::string::npos);
    CHECK(world.lane.log.empty());
}

TEST_CASE("I11: what the sink cannot read halts the lane") {
    World world;
    world.fail_at(Step::take_over, {fail(Errc::corrupt_data, "no position")});
    CHECK(world.run().snapshot().state == LaneState::halted);
    world.run_on(1s);
    CHECK(world.instance->snapshot().is_ready());
}

TEST_CASE("a lane without a position begins after the snapshot it is given, once") {
    World world;
    world.table.insert(drafts(2));
    world.options.first_seen = world.table.snapshot();
    world.run();
    // Committed at once, and durable: a later owner's choice comes too late.
    REQUIRE(world.lane.position.has_value());
    CHECK(world.lane.position->seen == *world.options.first_seen);
    CHECK(world.lane.position->batch_seq == 1);
    CHECK(world.table.flushed() == world.table.lsn());
    world.instance.reset();
    world.table.insert({{.key = 7}});
    world.options.first_seen = world.table.snapshot();
    world.run();
    CHECK(world.lane.log.size() == 1);
    CHECK(world.lane.log[0].event.aggregate_id == "7");
    CHECK(world.lane.log[0].lane_seq == 1);
}

TEST_CASE("a lane without a position asks where to begin, and never again") {
    World world;
    int asked = 0;
    const auto answer = [&](Result<std::string> with) {
        world.options.find_first = [&asked, with](int lane
                                   ) -> net::awaitable<Result<std::string>> {
            ++asked;
            CHECK(lane == 0);
            co_return with;
        };
    };
    world.table.insert(drafts(2));
    answer(fail(Errc::history_changed, "decide first"));
    const auto now = world.run().snapshot();
    CHECK(now.state == LaneState::halted);
    CHECK(now.reason.find("decide first") != std::string::npos);
    CHECK_FALSE(world.lane.position.has_value());
    world.instance.reset();

    answer(world.table.snapshot());
    world.run();
    REQUIRE(world.lane.position.has_value());
    CHECK(world.lane.position->seen == world.table.snapshot());
    CHECK(world.lane.log.empty());
    world.instance.reset();

    asked = 0;
    world.table.insert({{.key = 7}});
    answer(std::string{});
    world.run();
    CHECK(asked == 0);
    CHECK(world.lane.log.size() == 1);
}

TEST_CASE("where a lane begins is committed at once, also when that is the beginning") {
    World world;
    world.options.find_first = [](int) -> net::awaitable<Result<std::string>> {
        co_return std::string{};
    };
    world.run();
    REQUIRE(world.lane.position.has_value());
    CHECK(world.lane.position->seen.empty());
    CHECK(world.lane.position->batch_seq == 1);
    world.table.insert(drafts(2));
    world.run_on(1s);
    CHECK(world.lane.log.size() == 2);
}
