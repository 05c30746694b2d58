// SPDX-License-Identifier: MIT
// How fast a report goes, and how much each of its statements looks at.
#include "delivered_world.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace delivered_world;

TEST_CASE("report: it keeps to its pace and to its share of the time") {
    const auto last_begin = [](DeliveryReportOptions options,
                               std::chrono::nanoseconds takes) {
        options.batch = 100;
        World world{options};
        world.rows.takes = takes;
        world.deliver(0, 1, 1000, 1);
        const auto began = world.time.now();
        // Another lane goes on.
        for (int i = 0; i < 100; ++i) {
            world.time.run_for(100ms);
            world.report->delivered(1, {}, world.next(1, 1, 0, true));
        }
        REQUIRE(world.count("SENT") == 1000);
        return std::chrono::duration_cast<std::chrono::milliseconds>(
            world.rows.times.back() - began
        );
    };
    // Nine slices and their waits come before the last one.
    CHECK(last_begin({.rows_per_second = 100}, 0ns) == 9s);
    CHECK(last_begin({.busy_percent = 25}, 50ms) == 9 * 200ms);
    // The statement's own time is part of both.
    CHECK(last_begin({.rows_per_second = 1000, .busy_percent = 100}, 50ms) == 9 * 100ms);
}

TEST_CASE("report: once nothing is delivered any more it takes all of the time") {
    World world{{.batch = 100, .busy_percent = 10, .interval = 250ms}};
    world.rows.takes = 50ms;
    world.deliver(0, 1, 1000, 1);
    world.time.run_for(1s);
    // The first slice ended while something was, and was followed by a wait.
    CHECK(world.rows.times.at(1) - world.rows.times.at(0) == 500ms);
    CHECK(world.rows.times.at(2) - world.rows.times.at(1) == 50ms);
    world.time.run_for(100ms);
    CHECK(world.count("SENT") == 1000);
}

TEST_CASE("report: with its defaults 90,000 rows are reported within two seconds") {
    World world;
    // At 50,000 rows a second.
    world.rows.takes = 100ms;
    world.deliver(0, 1, 90'000, 1);
    world.time.run_for(2s);
    CHECK(world.count("SENT") == 90'000);
}

TEST_CASE("report: a statement goes through more numbers only while that is quick") {
    World world;
    for (const std::int64_t seq : {1, 3'000'000}) world.rows.add(seq, 0, 1);
    world.rows.takes = 99ms;
    world.report->found(0, world.next(0, 1, 3'000'000, true));
    world.time.run_for(2s);
    using Asked = std::vector<std::string>;
    CHECK(
        world.rows.asked ==
        Asked{
            "last", "r0-200000", "r200000-600000", "r600000-1400000", "r1400000-3000000"}
    );
    CHECK(world.count("SENT") == 2);
    world.rows.asked.clear();
    world.rows.takes = 100ms;
    world.rows.add(3'500'000, 1, 2);
    world.report->found(1, world.next(1, 2, 3'500'000, true));
    world.time.run_for(1s);
    // As wide as the last quick one allows, then as at first.
    CHECK(
        world.rows.asked ==
        Asked{"last", "r0-3200000", "r3200000-3400000", "r3400000-3500000"}
    );
    CHECK(world.count("SENT") == 3);
}
