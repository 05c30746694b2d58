// SPDX-License-Identifier: MIT
// How a group of lanes begins and ends.
#include "unit/outbox/lane_crew.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace lane_crew;

TEST_CASE("a stopped group commits the chunks in hand before it leaves") {
    for (int steps = 0; steps < 300; ++steps) {
        Outbox outbox{2};
        outbox.write(20);
        Member one{outbox, 1};
        bool stopped = true;
        one.ownership.before_leave = [&] {
            for (const auto& lane : one.snapshot().lanes) {
                stopped = stopped && lane.relay.state == LaneState::stopped;
            }
        };
        for (int i = 0; i < steps; ++i) one.time().step();
        one.group().stop();
        one.run(1s);
        REQUIRE(one.ended);
        REQUIRE_FALSE(one.error);
        REQUIRE(stopped);
        REQUIRE(outbox.locks.members.empty());
        REQUIRE(outbox.locks.holders.empty());
        for (const auto& lane : outbox.lanes) REQUIRE_FALSE(lane.open.has_value());
        REQUIRE(one.snapshot().members == 0);
        REQUIRE(one.owned().empty());
        Member two{outbox, 2};
        two.run(1s);
        REQUIRE(outbox.delivered() == 20);
        REQUIRE(outbox.clean());
    }
}

TEST_CASE("a cancelled group ends with all of its lanes, wherever they are, and leaves") {
    for (int steps = 0; steps < 300; ++steps) {
        Outbox outbox{2};
        outbox.write(20);
        Member one{outbox, 1};
        for (int i = 0; i < steps; ++i) one.time().step();
        one.cancel.emit(net::cancellation_type::terminal);
        one.run(1s);
        REQUIRE(one.ended);
        REQUIRE(one.error);
        REQUIRE(outbox.locks.members.empty());
        REQUIRE(one.time().waiting() == 0);
        Member two{outbox, 2};
        two.run(1s);
        REQUIRE(outbox.delivered() == 20);
        REQUIRE(outbox.clean());
    }
}

TEST_CASE("a group that is cancelled while it stops ends at once") {
    Outbox outbox{1};
    Member one{outbox, 1};
    one.run(1s);
    one.script.fault = [](Step) { return fail(Errc::unavailable); };
    one.run(1s);
    one.group().stop();
    one.time().step();
    one.cancel.emit(net::cancellation_type::terminal);
    one.run(10s);
    CHECK(one.ended);
    CHECK(outbox.locks.members.empty());
}

TEST_CASE("a group may be destroyed with its context wherever it is") {
    for (int steps = 0; steps < 400; ++steps) {
        Outbox outbox{2};
        outbox.write(20);
        Member one{outbox, 1};
        for (int i = 0; i < steps; ++i) one.time().step();
    }
}

TEST_CASE("the options of a group are checked where it is made") {
    const auto refuses = [](LaneGroupOptions options, const char* name) {
        Outbox outbox;
        net::io_context context;
        MemoryOwnership ownership{outbox.locks, 1, 4};
        const auto factory = [](int) { return LaneParts{}; };
        CHECK_THROWS_WITH_AS(
            (LaneGroup{context.get_executor(), ownership, factory, options}),
            doctest::Contains(name),
            std::invalid_argument
        );
    };
    refuses({.lanes = 0}, "lanes");
    refuses({.lanes = 65}, "lanes");
    refuses({.look_interval = 9ms}, "look_interval");
    refuses({.look_interval = 61s}, "look_interval");
    refuses({.relay = {.chunk_rows = 0}}, "chunk_rows");
    refuses({.compete = {.base = 0ms}}, "base");
    Outbox outbox;
    net::io_context context;
    MemoryOwnership ownership{outbox.locks, 1, 4};
    CHECK_THROWS_WITH_AS(
        (LaneGroup{context.get_executor(), ownership, LaneFactory{}}),
        doctest::Contains("LaneFactory"),
        std::invalid_argument
    );
}
