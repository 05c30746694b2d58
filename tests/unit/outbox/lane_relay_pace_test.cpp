// SPDX-License-Identifier: MIT
// When the loop of one lane looks, waits, pauses, halts and stops; what it is given.
#include "unit/outbox/lane_world.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace lane_world;

namespace {

std::vector<Draft> drafts(int count) {
    std::vector<Draft> list;
    for (int i = 0; i < count; ++i) list.push_back({.key = i});
    return list;
}

}  // namespace

TEST_CASE("an idle lane looks ever less often, down to the poll interval") {
    World world;
    auto& instance = world.run(10ms);
    CHECK(world.script.count("look") >= 9);
    instance.time().run_for(10s);
    const auto looks = world.script.count("look");
    instance.time().run_for(1s);
    CHECK(world.script.count("look") - looks == 50);
    CHECK(world.script.count("read") == 1);
    CHECK(world.script.count("commit 0") == 0);
}

TEST_CASE("other lanes' events do not keep an idle lane busy") {
    World world;
    auto& instance = world.run(10s);
    const auto looks = world.script.count("look");
    for (int i = 0; i < 50; ++i) {
        world.table.insert({{.lane = 1}});
        instance.time().run_for(20ms);
    }
    CHECK(world.script.count("look") - looks <= 51);
    // Each look found something, and yet the lane had caught up.
    REQUIRE(instance.snapshot().caught_up.has_value());
    CHECK(instance.time().now() - *instance.snapshot().caught_up <= 40ms);
    CHECK_FALSE(instance.snapshot().window_since.has_value());
}

TEST_CASE("after a window with events the next look is at once") {
    World world;
    world.options.least_poll = world.options.poll_interval = 1h;
    // The last slice is empty, or is known to be the last.
    for (const std::size_t rows : {2, 3}) {
        world.options.chunk_rows = rows;
        world.table.insert(drafts(2));
        auto& instance = world.start();
        const auto now = instance.time().now();
        const auto before = world.lane.log.size();
        while (world.lane.log.size() < before + 2) REQUIRE(instance.time().step());
        world.table.insert(drafts(2));
        while (world.lane.log.size() < before + 4) REQUIRE(instance.time().step());
        CHECK(instance.time().now() == now);
    }
}

TEST_CASE("between windows a lane waits until its sink is ready, then looks") {
    World world;
    world.table.insert(drafts(2));
    auto& instance = world.start();
    while (world.script.count("commit done") == 0) REQUIRE(instance.time().step());
    const auto ready = instance.time().now() + 7ms;
    instance.sink().rested = ready;
    const auto looks = world.script.count("look");
    world.table.insert(drafts(3));
    instance.relay().wake();
    instance.time().run_for(6ms);
    CHECK(world.script.count("look") == looks);
    // What came meanwhile goes together.
    instance.time().run_for(2ms);
    CHECK(world.script.count("commit 3") == 1);
    CHECK(world.lane.log.size() == 5);
}

TEST_CASE("within a window a lane does not wait for its sink to be ready") {
    World world;
    world.options.chunk_rows = 1;
    world.table.insert(drafts(3));
    auto& instance = world.start();
    while (world.script.count("commit done") == 0) REQUIRE(instance.time().step());
    instance.sink().rested = instance.time().now() + 1h;
    instance.time().run_for(10ms);
    CHECK(world.lane.log.size() == 3);
}

TEST_CASE("a lane waits for its sink no longer than between two looks") {
    for (const auto ready : {TimePoint::min(), TimePoint::max()}) {
        World world;
        world.options.poll_interval = 20ms;
        world.table.insert(drafts(1));
        auto& instance = world.start();
        while (world.script.count("commit done") == 0) REQUIRE(instance.time().step());
        instance.sink().rested = ready;
        world.table.insert(drafts(1));
        instance.time().run_for(21ms);
        CHECK(world.lane.log.size() == 2);
    }
}

TEST_CASE("a lane tells how often its sink was put off") {
    World world;
    world.table.insert(drafts(1));
    auto& instance = world.start();
    instance.sink().late = 3;
    while (instance.relay().snapshot().chunks == 0) REQUIRE(instance.time().step());
    CHECK(instance.relay().snapshot().put_offs == 3);
}

TEST_CASE("a lane that waits for its sink can be stopped") {
    World world;
    world.options.poll_interval = 1h;
    world.table.insert(drafts(1));
    auto& instance = world.start();
    while (world.script.count("commit done") == 0) REQUIRE(instance.time().step());
    instance.sink().rested = instance.time().now() + 1h;
    instance.time().run_for(10ms);
    instance.relay().stop();
    instance.time().run_for(10ms);
    CHECK(instance.ended.has_value());
}

TEST_CASE("a lane that was woken looks at once") {
    World world;
    world.options.poll_interval = 1h;
    auto& instance = world.run(100h);
    world.table.insert(drafts(1));
    const auto now = instance.time().now();
    instance.relay().wake();
    while (world.lane.log.empty()) REQUIRE(instance.time().step());
    CHECK(instance.time().now() == now);
}

TEST_CASE("a lane that was woken while it looked looks again") {
    World world;
    world.options.least_poll = world.options.poll_interval = 1h;
    auto& instance = world.start();
    while (world.script.count("look") == 0) REQUIRE(instance.time().step());
    instance.relay().wake();
    const auto now = instance.time().now();
    instance.time().run_until(now);
    CHECK(world.script.count("look") == 2);
}

TEST_CASE("a backlog goes in chunks of the most rows, without a wait between") {
    World world;
    world.options.chunk_rows = 10;
    for (int i = 0; i < 10; ++i) world.table.insert(drafts(10));
    auto& instance = world.start();
    const auto now = instance.time().now();
    while (world.lane.log.size() < 100) REQUIRE(instance.time().step());
    CHECK(instance.time().now() == now);
    CHECK(world.lane.committed.size() == 10);
    CHECK(world.findings().clean());
}

TEST_CASE("the next slice is read while the last one is committed") {
    World world;
    world.options.chunk_rows = 2;
    SUBCASE("if it may") {}
    SUBCASE("or after it") { world.options.read_ahead = false; }
    world.table.insert(drafts(4));
    world.run();
    std::vector<std::string> calls;
    for (const auto& call : world.script.calls) {
        if (call == "read" || call.starts_with("commit")) calls.push_back(call);
    }
    const std::vector<std::string> overlapped{
        "read", "commit 2", "read", "commit done", "commit 2", "read", "commit done"};
    const std::vector<std::string> sequential{
        "read", "commit 2", "commit done", "read", "commit 2", "commit done", "read"};
    calls.resize(7);
    CHECK(calls == (world.options.read_ahead ? overlapped : sequential));
    CHECK(world.findings().clean());
}

TEST_CASE("what was read ahead is dropped when the commit before it failed") {
    World world;
    world.options.chunk_rows = 2;
    world.table.insert(drafts(6));
    for (const auto step : {Step::begin, Step::send, Step::decide, Step::answer}) {
        world.fail_at(step, {fail(Errc::connection_lost)});
        world.run();
        CHECK(world.findings().clean());
        world.table.insert(drafts(6));
    }
    world.run_on();
    CHECK(world.findings().clean());
}

TEST_CASE("a slice that was read ahead in vain is read again") {
    World world;
    world.options.chunk_rows = 2;
    int reads = 0;
    world.script.fault = [&](Step at) -> std::optional<Failure> {
        if (at == Step::read && ++reads == 2) return fail(Errc::unavailable);
        return std::nullopt;
    };
    world.table.insert(drafts(6));
    auto& instance = world.run();
    CHECK(world.findings().clean());
    CHECK(instance.snapshot().take_overs == 2);
}

TEST_CASE("the first failure in doubt is no reason to pause, the next ones are") {
    World world;
    world.options.pause = {.base = 10ms, .cap = 40ms, .jitter = Jitter::none};
    const std::vector<Failure> failures(5, fail(Errc::aborted, "again"));
    world.fail_at(Step::begin, failures);
    world.table.insert(drafts(1));
    auto& instance = world.start();
    const auto start = instance.time().now();
    while (world.lane.log.empty()) REQUIRE(instance.time().step());
    // After the second, the third and so on: 20, 40, 40, 40.
    CHECK(instance.time().now() - start == 140ms);
    CHECK(instance.snapshot().pauses == 4);
    world.run_on(1ms);
    CHECK(instance.snapshot().is_ready());
    CHECK(instance.snapshot().reason.empty());
}

TEST_CASE("a lane is paused with the reason while its source is down") {
    World world;
    world.script.fault = [](Step at) -> std::optional<Failure> {
        if (at == Step::look) return fail(Errc::unavailable, "no server");
        return std::nullopt;
    };
    auto& instance = world.run(30s);
    const auto now = instance.snapshot();
    CHECK(now.state == LaneState::paused);
    CHECK_FALSE(now.is_ready());
    CHECK(now.reason.ends_with("no server"));
    CHECK(now.since < instance.time().now() - 25s);
    CHECK(world.script.count("look") < 60);
    CHECK_FALSE(now.caught_up.has_value());
}

TEST_CASE("a halted lane gives up after its tries, and runs anew when told to") {
    World world;
    world.options.halted_tries = 3;
    world.lane.missing = {"t"};
    world.table.insert(drafts(1));
    auto& instance = world.run(1h);
    REQUIRE(instance.ended.has_value());
    REQUIRE(instance.ended->has_error());
    CHECK(instance.ended->error() == Errc::bad_destination);
    CHECK(instance.snapshot().state == LaneState::halted);
    CHECK(world.script.count("take_over") == 4);
    world.lane.missing.clear();
    instance.start();
    world.run_on();
    CHECK(world.findings().clean());
    CHECK(instance.snapshot().is_ready());
}

TEST_CASE("a lane that is stopped ends after the chunk in hand") {
    World world;
    world.options.chunk_rows = 1;
    world.options.poll_interval = 1h;
    SUBCASE("while it works") {
        world.table.insert(drafts(5));
        auto& instance = world.start();
        while (world.script.count("commit 1") == 0) REQUIRE(instance.time().step());
        instance.relay().stop();
        instance.time().run_until(instance.time().now());
        CHECK(world.lane.log.size() == 1);
    }
    SUBCASE("while it waits") {
        auto& instance = world.run(100h);
        instance.relay().stop();
        instance.time().run_until(instance.time().now());
    }
    SUBCASE("while it pauses") {
        world.script.fault = [](Step) -> std::optional<Failure> {
            return fail(Errc::unavailable);
        };
        auto& instance = world.run(1h);
        instance.relay().stop();
        instance.time().run_until(instance.time().now());
    }
    REQUIRE(world.instance->ended.has_value());
    CHECK(world.instance->ended->has_value());
    CHECK(world.instance->snapshot().state == LaneState::stopped);
    CHECK_FALSE(world.instance->snapshot().is_ready());
}

TEST_CASE("the observer is told of each chunk and of each change of state") {
    World world;
    world.options.chunk_rows = 2;
    world.table.insert(drafts(4));
    auto& instance = world.run();
    REQUIRE(instance.told.size() == 2);
    CHECK(instance.told[0].events[1].seq == 2);
    CHECK(instance.told[1].events[1].seq == 4);
    CHECK(instance.told[1].position.lane_seq == 4);
    REQUIRE(instance.states.size() >= 3);
    CHECK(instance.states[0].state == LaneState::starting);
    CHECK(instance.states.back().state == LaneState::running);
    // Looks alone are no news.
    const auto states = instance.states.size();
    world.run_on(10s);
    CHECK(instance.states.size() == states);
}

TEST_CASE("options out of range are refused by name") {
    World world;
    const auto refused = [&](const LaneRelayOptions& options, const std::string& name) {
        world.options = options;
        try {
            world.start();
            FAIL("not refused: ", name);
        } catch (const std::invalid_argument& error) {
            CHECK(std::string{error.what()}.find(name) != std::string::npos);
        }
    };
    refused({.lane = -1}, "LaneRelayOptions::lane");
    refused({.lane = 32'768}, "LaneRelayOptions::lane");
    refused({.chunk_rows = 0}, "chunk_rows");
    refused({.chunk_rows = 100'001}, "chunk_rows");
    refused({.chunk_bytes = 0}, "chunk_bytes");
    refused({.chunk_bytes = (std::size_t{1} << 30) + 1}, "chunk_bytes");
    refused({.least_poll = 0ms}, "least_poll");
    refused({.least_poll = 21ms}, "poll_interval");
    refused({.poison = static_cast<PoisonPolicy>(3)}, "poison");
    refused({.topic_poison = {{"t", static_cast<PoisonPolicy>(3)}}}, "topic_poison");
    refused({.dead_letter_suffix = ""}, "dead_letter_suffix");
    refused({.dead_letter_suffix = "a b"}, "dead_letter_suffix");
    refused({.dead_letter_suffix = std::string(101, 'a')}, "dead_letter_suffix");
    refused({.park_suffix = ""}, "park_suffix");
    refused({.park_suffix = "/"}, "park_suffix");
    refused({.max_parked = 0}, "max_parked");
    refused({.max_parked = 201}, "max_parked");
    refused({.unpark_interval = 0ms}, "unpark_interval");
    refused({.pause = {.base = 0ms}}, "RetryOptions::base");
    refused({.halted_tries = 0}, "halted_tries");
}
