// SPDX-License-Identifier: MIT
#include "src/outbox/lane_totals.hpp"

#include <resilience/lane_group.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace resilience;
using namespace std::chrono_literals;
using detail::add_run;

namespace {

constexpr TimePoint start{1h};

LaneRelaySnapshot state(LaneState state, TimePoint since, const char* reason = "") {
    LaneRelaySnapshot now;
    now.state = state;
    now.since = since;
    now.reason = reason;
    return now;
}

// A member with one lane, which it has had since the start.
LaneGroupSnapshot group(LaneRelaySnapshot relay, bool owned = true) {
    LaneGroupSnapshot now;
    now.members = 1;
    now.since = start;
    now.lanes.push_back({owned, start, 1, std::move(relay)});
    return now;
}

}  // namespace

TEST_CASE("the counters of a lane's runs are added up") {
    LaneRelaySnapshot one;
    one.take_overs = 1;
    one.looks = 2;
    one.gates = 3;
    one.chunks = 4;
    one.events = 5;
    one.dead_letters = 6;
    one.aborts = 7;
    one.doubts = 8;
    one.fences = 9;
    one.pauses = 10;
    one.halts = 11;
    one.put_offs = 16;
    one.last_chunk = 12;
    one.last_commit = 13ns;
    one.last_gate = 14ns;
    one.last_rest = 15ns;
    one.caught_up = start;
    one.position.lane_seq = 15;
    const auto two = add_run(one, one);
    CHECK(two.take_overs == 2);
    CHECK(two.looks == 4);
    CHECK(two.gates == 6);
    CHECK(two.chunks == 8);
    CHECK(two.events == 10);
    CHECK(two.dead_letters == 12);
    CHECK(two.aborts == 14);
    CHECK(two.doubts == 16);
    CHECK(two.fences == 18);
    CHECK(two.pauses == 20);
    CHECK(two.halts == 22);
    CHECK(two.put_offs == 32);
    // What the new run does not know yet is as it was.
    const auto begun = add_run(one, state(LaneState::starting, start + 1s));
    CHECK(begun.events == 5);
    CHECK(begun.last_chunk == 12);
    CHECK(begun.last_commit == 13ns);
    CHECK(begun.last_gate == 14ns);
    CHECK(begun.last_rest == 15ns);
    CHECK(begun.caught_up == start);
    CHECK(begun.position.lane_seq == 15);
    CHECK(begun.state == LaneState::starting);
    CHECK(begun.since == start + 1s);
    auto later = one;
    later.last_chunk = 1;
    later.position.lane_seq = 16;
    CHECK(add_run(one, later).last_chunk == 1);
    CHECK(add_run(one, later).position.lane_seq == 16);
}

TEST_CASE("a lane that is tried again shows why it failed until it runs") {
    const auto fenced = state(LaneState::fenced, start, "taken over");
    const auto again = add_run(fenced, state(LaneState::starting, start + 1s));
    CHECK(again.state == LaneState::fenced);
    CHECK(again.reason == "taken over");
    CHECK(again.since == start);
    // It failed otherwise, and has done so since then.
    const auto halted =
        add_run(fenced, state(LaneState::halted, start + 2s, "no such topic"));
    CHECK(halted.state == LaneState::halted);
    CHECK(halted.reason == "no such topic");
    CHECK(halted.since == start);

    auto running = state(LaneState::running, start + 3s);
    running.caught_up = start + 3s;
    CHECK(add_run(fenced, running).state == LaneState::running);
    CHECK(add_run(fenced, running).since == start + 3s);
    auto fenced_later = state(LaneState::fenced, start + 4s, "again");
    fenced_later.chunks = 1;
    CHECK(add_run(fenced, fenced_later).since == start + 4s);
    const auto stopped = add_run(fenced, state(LaneState::stopped, start + 5s));
    CHECK(stopped.state == LaneState::stopped);
    CHECK(stopped.since == start + 5s);
}

TEST_CASE("an instance stalls when a lane of its own does not deliver for a while") {
    for (const auto one :
         {LaneState::stopped,
          LaneState::starting,
          LaneState::paused,
          LaneState::halted,
          LaneState::fenced}) {
        const auto now = group(state(one, start, "why"));
        CHECK(find_stall(now, start + 2999ms, 3s).empty());
        CHECK(find_stall(now, start + 3s, 3s).starts_with("lane 0 is "));
        CHECK(find_stall(now, start + 3s, 3s).ends_with(": why"));
        const auto of_another = group(state(one, start, "why"), false);
        CHECK(find_stall(of_another, start + 1h, 3s).empty());
    }
    CHECK(find_stall(group(state(LaneState::running, start)), start + 1h, 3s).empty());
    // It was stopped long before it was taken.
    auto taken = group(state(LaneState::stopped, start));
    taken.lanes[0].since = start + 1h;
    CHECK(find_stall(taken, start + 1h + 1s, 3s).empty());
    CHECK(find_stall(taken, start + 1h + 3s, 3s) == "lane 0 is stopped");
}

TEST_CASE("an instance that is no member for a while stalls") {
    LaneGroupSnapshot now;
    now.since = start;
    CHECK(find_stall(now, start + 2s, 3s).empty());
    CHECK(find_stall(now, start + 3s, 3s) == "does not share the lanes");
    now.reason = "no server";
    CHECK(find_stall(now, start + 3s, 3s) == "does not share the lanes: no server");
}
