// SPDX-License-Identifier: MIT
#include "delivered_world.hpp"

#include <doctest/doctest.h>

using namespace delivered_world;

TEST_CASE("I9: with no retention rows are removed when a position shows their window") {
    World world{{.retention = 0ms}};
    world.deliver(0, 1, 2, 1, false);
    world.time.run_for(1s);
    CHECK(world.rows.asked.empty());
    world.deliver(0, 3, 3, 1);
    world.deliver(1, 5, 5, 2, false);
    world.rows.add(4, 0, 7);
    world.time.run_for(1s);
    CHECK(world.rows.rows.size() == 2);
    CHECK(world.rows.status(4) == "NEW");
    CHECK(world.rows.status(5) == "NEW");
    CHECK(world.report->snapshot().removed == 3);
    CHECK(world.report->snapshot().reported == 0);
}

TEST_CASE("I9: with no retention rows of a former owner's open window go in the end") {
    World world{{.retention = 0ms}};
    for (int seq = 1; seq <= 4; ++seq) world.rows.add(seq, 0, seq <= 2 ? 1 : 2);
    world.next(0, 1, 2, true);
    // In the midst of the window of the second transaction.
    world.report->found(0, world.next(0, 2, 3, false));
    world.time.run_for(1s);
    CHECK(world.rows.status(2) == "gone");
    CHECK(world.rows.status(3) == "NEW");
    world.deliver(0, 4, 4, 2);
    world.time.run_for(1s);
    CHECK(world.rows.rows.empty());
}

TEST_CASE("I9: old rows are removed when they are delivered, younger ones stay") {
    World world{{.retention = 1h}};
    world.deliver(0, 1, 10, 1);
    world.rows.add(11, 0, 9);
    world.rows.add(12, 1, 1);
    world.time.run_for(30min);
    world.deliver(0, 13, 20, 2);
    CHECK(world.rows.rows.size() == 20);
    world.time.run_for(31min);
    // Not delivered, or of a lane that nobody told of.
    CHECK(world.rows.rows.size() == 10);
    CHECK(world.rows.status(11) == "NEW");
    CHECK(world.rows.status(12) == "NEW");
    world.time.run_for(31min);
    CHECK(world.rows.rows.size() == 2);
    CHECK(world.report->snapshot().removed == 18);
}

TEST_CASE("retention: rows shown FAILED stay, and those that are old are counted") {
    World world{{.retention = 1h, .removal_batch = 10, .full_sweep_interval = 10min}};
    world.deliver(0, 1, 100, 1, true, {{3, "a"}, {50, "b"}});
    world.time.run_for(30min);
    CHECK(world.report->snapshot().failed_rows == 0);
    world.deliver(0, 101, 102, 2, true, {{102, "c"}});
    world.time.run_for(50min);
    CHECK(world.count("FAILED") == 3);
    CHECK(world.report->snapshot().failed_rows == 2);
    world.time.run_for(40min);
    CHECK(world.rows.rows.size() == 3);
    CHECK(world.report->snapshot().failed_rows == 3);
    world.rows.rows.erase(50);
    world.time.run_for(11min);
    CHECK(world.report->snapshot().failed_rows == 2);
}

TEST_CASE("retention: a look begins where the last one found what stays") {
    World world{{.report = false, .retention = 1min, .removal_batch = 10}};
    world.deliver(0, 1, 100, 1);
    world.time.run_for(2min);
    CHECK(world.rows.rows.empty());
    world.rows.add(101, 0, 50);
    world.rows.asked.clear();
    world.time.run_for(10s);
    REQUIRE(world.rows.asked.size() == 1);
    CHECK(world.rows.asked.front() == "d100-");
}

TEST_CASE("retention: what a long transaction left behind the looks is found in time") {
    World world{{.report = false, .retention = 1min, .removal_batch = 10}};
    for (int seq = 1; seq <= 100; ++seq) {
        if (seq != 50) world.rows.add(seq, 0, 1);
    }
    world.report->found(0, world.next(0, 1, 100, true));
    world.time.run_for(2min);
    CHECK(world.rows.rows.empty());
    world.deliver(0, 50, 50, 2);
    world.time.run_for(5min);
    CHECK(world.rows.rows.size() == 1);
    world.time.run_for(10min);
    CHECK(world.rows.rows.empty());
}

TEST_CASE("retention: a look keeps to its pace, and reports go on beside it") {
    World world{{.retention = 1min, .removal_batch = 10, .removals_per_second = 10}};
    world.deliver(0, 1, 100, 1);
    world.time.run_for(65s);
    CHECK(world.report->snapshot().removed > 0);
    CHECK(world.report->snapshot().removed < 100);
    world.deliver(0, 101, 101, 2);
    world.time.run_for(2s);
    CHECK(world.rows.status(101) == "SENT");
    CHECK(world.report->snapshot().removed < 100);
    world.time.run_for(30s);
    CHECK(world.report->snapshot().removed == 100);
}

TEST_CASE("retention: a row that cannot be removed stays, the others go") {
    World world{{.report = false, .retention = 1min, .removal_batch = 10}};
    world.rows.refused = {33};
    world.deliver(0, 1, 100, 1);
    world.time.run_for(5min);
    CHECK(world.rows.rows.size() == 1);
    CHECK(world.report->snapshot().refused > 0);
    world.rows.refused.clear();
    world.time.run_for(1min);
    CHECK(world.rows.rows.empty());
}
