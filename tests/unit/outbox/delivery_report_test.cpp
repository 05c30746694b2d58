// SPDX-License-Identifier: MIT
#include "delivered_world.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace delivered_world;

TEST_CASE("report: rows become SENT after their chunk is committed, and no others") {
    World world;
    world.rows.add(4, 0, 9);
    world.deliver(0, 1, 3, 1);
    CHECK_FALSE(world.report->snapshot().caught_up);
    CHECK(world.report->snapshot().behind_since == world.time.now());
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 3);
    CHECK(world.rows.status(4) == "NEW");
    CHECK(world.report->snapshot().reported == 3);
    CHECK(world.report->snapshot().caught_up);
    CHECK_FALSE(world.report->snapshot().behind_since.has_value());
}

TEST_CASE("report: under steady load it is behind by a round, not since the beginning") {
    World world;
    world.rows.takes = 100ms;
    for (int i = 1; i <= 1000; ++i) {
        world.time.run_for(10ms);
        world.deliver(0, i, i, i);
    }
    const auto behind = world.report->snapshot().behind_since;
    REQUIRE(behind.has_value());
    CHECK(world.time.now() - *behind <= 600ms);
}

TEST_CASE("I3: rows of a window that is not done are reported up to its last one") {
    World world;
    world.deliver(0, 1, 3, 1, false);
    world.rows.add(4, 0, 1);
    world.time.run_for(1s);
    CHECK(world.rows.status(3) == "SENT");
    CHECK(world.rows.status(4) == "NEW");
    world.deliver(0, 4, 4, 1);
    world.time.run_for(1s);
    CHECK(world.rows.status(4) == "SENT");
}

TEST_CASE("report: chunks that come one by one are reported many at once") {
    World world;
    world.time.run_for(1s);
    for (int i = 1; i <= 100; ++i) {
        world.deliver(i % 4, i, i, i);
        world.time.run_for(2ms);
    }
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 100);
    CHECK(world.rows.asked.size() == 2);
}

TEST_CASE("report: what is delivered meanwhile takes no more memory and is not lost") {
    World world{{.batch = 10, .rows_per_second = 100}};
    for (int i = 0; i < 200; ++i) world.deliver(i % 3, 1 + 10 * i, 10 + 10 * i, i + 1);
    world.time.run_for(60s);
    CHECK(world.count("NEW") == 0);
    CHECK(world.report->snapshot().recoveries == 0);
}

TEST_CASE("report: after a chunk that nobody told of, all unreported rows are looked at"
) {
    World world;
    world.deliver(0, 1, 1, 1);
    world.time.run_for(1s);
    for (int seq = 2; seq <= 5; ++seq) world.rows.add(seq, 0, 2);
    (void)world.next(0, 2, 5, true);
    world.deliver(0, 6, 6, 3);
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 6);
    CHECK(world.report->snapshot().recoveries == 1);
}

TEST_CASE("report: a lane that is taken over leaves no row of its former owner behind") {
    World world;
    for (int seq = 1; seq <= 3000; ++seq) world.rows.add(seq, seq % 2, 1);
    world.report->found(1, world.next(1, 1, 3000, true));
    world.time.run_for(10s);
    CHECK(world.count("SENT") == 1500);
    CHECK(world.rows.status(2) == "NEW");
    // The same again is no news.
    const auto asked = world.rows.asked.size();
    world.report->found(1, world.positions[1]);
    world.time.run_for(10s);
    CHECK(world.rows.asked.size() == asked);
}

TEST_CASE("report: what is told again or late changes nothing") {
    World world;
    world.deliver(0, 1, 1, 1);
    world.deliver(0, 2, 2, 2);
    world.time.run_for(1s);
    const auto asked = world.rows.asked.size();
    auto late = world.positions[0];
    --late.batch_seq;
    world.report->delivered(0, {}, late);
    world.report->delivered(0, {}, world.positions[0]);
    world.time.run_for(1s);
    CHECK(world.rows.asked.size() == asked);
}

TEST_CASE("report: a dead letter is FAILED with its reason, never SENT before") {
    World world{{.batch = 1, .rows_per_second = 10}};
    world.deliver(0, 1, 3, 1, true, {{2, "too large"}});
    // While that is reported more comes.
    world.time.run_for(50ms);
    world.deliver(0, 4, 5, 2, true, {{5, "no topic"}});
    for (int i = 0; i < 100; ++i) {
        world.time.run_for(10ms);
        CHECK(world.rows.status(2) != "SENT");
        CHECK(world.rows.status(5) != "SENT");
    }
    CHECK(world.rows.rows[2].reason == "too large");
    CHECK(world.rows.status(5) == "FAILED");
    CHECK(world.count("SENT") == 3);
    CHECK(world.report->snapshot().failed == 2);
}

TEST_CASE("report: a dead letter counts also when its position was found before") {
    World world;
    world.rows.add(1, 0, 1);
    const auto position = world.next(0, 1, 1, true);
    world.report->found(0, position);
    world.time.run_for(1s);
    CHECK(world.rows.status(1) == "SENT");
    const std::vector<DeadLetteredRow> letters{{1, "too large"}};
    world.report->delivered(0, {}, position, letters);
    CHECK_FALSE(world.report->snapshot().caught_up);
    world.time.run_for(1s);
    CHECK(world.rows.status(1) == "FAILED");
    CHECK(world.report->snapshot().caught_up);
    // An earlier one was dealt with by then.
    auto early = position;
    early.batch_seq = 0;
    world.report->delivered(0, {}, early, letters);
    CHECK(world.report->snapshot().caught_up);
}

TEST_CASE("I11: a dead letter of a history that its lane has left is not shown") {
    World world{
        {.rows_per_second = 1, .pause = {.base = 1s, .cap = 1s, .jitter = Jitter::none}}};
    world.rows.failures = {fail(Errc::history_changed)};
    world.deliver(0, 1, 1, 1, true, {{1, "too large"}});
    world.time.run_for(100ms);
    // The table was restored, and where the lane stands in it was settled.
    world.rows.rows[1].status = "NEW";
    auto position = world.positions[0];
    ++position.source.timeline;
    world.report->found(0, position);
    world.time.run_for(10s);
    CHECK(world.rows.status(1) == "SENT");
    CHECK(world.report->snapshot().failed == 0);
    CHECK(world.report->snapshot().dropped_dead_letters == 1);
    CHECK(world.report->snapshot().caught_up);
}

TEST_CASE("report: dead letters above the limit are counted and shown as SENT") {
    World world{{.max_dead_letters = 1}};
    world.deliver(0, 1, 2, 1, true, {{1, "a"}, {2, "b"}});
    world.time.run_for(1s);
    CHECK(world.rows.status(1) == "FAILED");
    CHECK(world.rows.status(2) == "SENT");
    CHECK(world.report->snapshot().dropped_dead_letters == 1);
}

TEST_CASE("report: a row that is locked is reported once it is free") {
    World world;
    world.rows.locked = {2};
    world.deliver(0, 1, 3, 1);
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 2);
    CHECK_FALSE(world.report->snapshot().caught_up);
    // It is asked for again at each round, not more often.
    CHECK(world.rows.asked.size() <= 5);
    world.rows.locked.clear();
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 3);
    CHECK(world.report->snapshot().caught_up);
}

TEST_CASE("report: a dead letter whose row is locked is FAILED once it is free") {
    World world;
    world.rows.locked = {2};
    world.deliver(0, 1, 4, 1, true, {{2, "too large"}, {4, "no topic"}});
    world.time.run_for(1s);
    CHECK(world.rows.status(2) == "NEW");
    CHECK(world.rows.status(4) == "FAILED");
    CHECK(world.count("SENT") == 2);
    CHECK(world.report->snapshot().failed == 1);
    CHECK_FALSE(world.report->snapshot().caught_up);
    // It is asked for again at each round, not more often.
    CHECK(world.rows.asked.size() <= 10);
    world.rows.locked.clear();
    world.time.run_for(1s);
    CHECK(world.rows.status(2) == "FAILED");
    CHECK(world.rows.rows[2].reason == "too large");
    CHECK(world.report->snapshot().failed == 2);
    CHECK(world.report->snapshot().dropped_dead_letters == 0);
    CHECK(world.report->snapshot().caught_up);
}

TEST_CASE("report: a row that the table refuses is passed over, the others are reported"
) {
    World world;
    world.rows.refused = {37, 38, 900};
    world.deliver(0, 1, 1000, 1);
    world.time.run_for(60s);
    CHECK(world.count("SENT") == 997);
    CHECK(world.rows.status(37) == "NEW");
    CHECK(world.report->snapshot().refused == 3);
    CHECK(world.report->snapshot().refusal.find("a trigger") != std::string::npos);
}

TEST_CASE("report: while the table is down it pauses, says why, and loses nothing") {
    World world{{.batch = 10, .pause = {.base = 1s, .cap = 1s, .jitter = Jitter::none}}};
    world.rows.failures = {
        fail(Errc::unavailable, "down"), fail(Errc::connection_lost, "gone")};
    world.deliver(0, 1, 30, 1);
    world.time.run_for(1500ms);
    CHECK(world.report->snapshot().paused);
    CHECK(world.report->snapshot().reason.find("gone") != std::string::npos);
    CHECK(world.count("SENT") == 0);
    world.deliver(0, 31, 40, 2);
    world.time.run_for(10s);
    CHECK(world.count("SENT") == 40);
    CHECK_FALSE(world.report->snapshot().paused);
    CHECK(world.report->snapshot().pauses == 2);
}

TEST_CASE("report: with it off nothing is written") {
    World world{{.report = false}};
    world.deliver(0, 1, 3, 1, true, {{2, "too large"}});
    world.time.run_for(1h);
    CHECK(world.rows.asked.empty());
    CHECK(world.report->snapshot().caught_up);
}

TEST_CASE("report: stop ends it, also in the midst of waiting") {
    World world;
    world.time.run_for(1s);
    CHECK_FALSE(world.ended);
    world.report->stop();
    world.time.run_for(0s);
    CHECK(world.ended);
}

TEST_CASE("report: lanes above the limit are left alone, the others go on") {
    World world{{.max_lanes = 2}};
    for (int lane = 0; lane < 3; ++lane) world.deliver(lane, lane + 1, lane + 1, 1);
    world.report->found(3, world.next(3, 1, 3, true));
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 2);
    CHECK(world.rows.status(3) == "NEW");
    world.deliver(1, 4, 4, 2);
    world.time.run_for(1s);
    CHECK(world.rows.status(4) == "SENT");
}

TEST_CASE("report: an observer of a lane tells all of it, and whoever comes behind it") {
    World world;
    for (int seq = 1; seq <= 5; ++seq) world.rows.add(seq, 2, seq <= 3 ? 1 : 2);
    int changes = 0;
    int chunks = 0;
    LaneRelayObserver next;
    next.changed = [&](const LaneRelaySnapshot&) { ++changes; };
    next.committed = [&](const CommittedChunk&) { ++chunks; };
    const auto observer = report_deliveries(*world.report, 2, next);
    LaneRelaySnapshot now;
    observer.changed(now);
    CHECK(world.report->snapshot().caught_up);
    now.take_overs = 1;
    now.position = world.next(2, 1, 3, true);
    observer.changed(now);
    observer.changed(now);
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 3);
    CHECK(world.report->snapshot().recoveries == 1);

    CommittedChunk chunk;
    for (int seq = 4; seq <= 5; ++seq) {
        chunk.events.push_back({.event = {}, .seq = seq, .defect = {}});
    }
    chunk.dead_letters.push_back({1, fail(Errc::too_large, "of 2 MB")});
    chunk.position = now.position = world.next(2, 2, 5, true);
    // In the order in which a relay tells.
    observer.changed(now);
    observer.committed(chunk);
    world.time.run_for(1s);
    CHECK(world.count("SENT") == 4);
    CHECK(world.rows.status(5) == "FAILED");
    CHECK(world.rows.rows[5].reason.find("of 2 MB") != std::string::npos);
    CHECK(world.report->snapshot().recoveries == 1);
    CHECK(changes == 4);
    CHECK(chunks == 1);
}

TEST_CASE("report: options out of range are named") {
    net::io_context io;
    MemoryRows rows{io.get_executor()};
    const auto refuses = [&](DeliveryReportOptions options, const char* name) {
        try {
            const DeliveryReport report{io.get_executor(), rows, options};
            return false;
        } catch (const std::invalid_argument& error) {
            return std::string{error.what()}.find(name) != std::string::npos;
        }
    };
    CHECK(refuses({.retention = -1ms}, "retention"));
    CHECK(refuses({.batch = 0}, "batch"));
    CHECK(refuses({.batch = 5001}, "batch"));
    CHECK(refuses({.removal_batch = 0}, "removal_batch"));
    CHECK(refuses({.removal_batch = 5001}, "removal_batch"));
    CHECK(refuses({.rows_per_second = 0}, "rows_per_second"));
    CHECK(refuses({.removals_per_second = 0}, "removals_per_second"));
    CHECK(refuses({.busy_percent = 0}, "busy_percent"));
    CHECK(refuses({.busy_percent = 101}, "busy_percent"));
    CHECK(refuses({.interval = 0ms}, "interval"));
    CHECK(refuses({.sweep_interval = 0ms}, "sweep_interval"));
    CHECK(refuses({.full_sweep_interval = 0ms}, "full_sweep_interval"));
    CHECK(refuses({.max_dead_letters = 0}, "max_dead_letters"));
    CHECK(refuses({.max_lanes = 0}, "max_lanes"));
}
