// SPDX-License-Identifier: MIT
// The lanes of an instance, and how instances share them.
#include "unit/outbox/lane_crew.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace lane_crew;

namespace {

using Lanes = std::vector<int>;

bool is_member(const Outbox& outbox, int who) {
    return std::ranges::count(outbox.locks.members, who) > 0;
}

}  // namespace

TEST_CASE("an instance alone runs every lane") {
    Outbox outbox;
    outbox.write(12);
    Member one{outbox, 1};
    one.run(1s);
    CHECK(one.owned() == Lanes{0, 1, 2, 3});
    CHECK(outbox.delivered() == 12);
    CHECK(outbox.clean());
    const auto now = one.snapshot();
    CHECK(now.members == 1);
    CHECK(now.reason.empty());
    CHECK(now.losses == 0);
    for (const auto& [owned, since, runs, relay] : now.lanes) {
        CHECK(runs == 1);
        CHECK(relay.is_ready());
        CHECK(relay.events == 3);
    }
    CHECK(find_stall(now, one.time().now(), 0s).empty());
}

TEST_CASE("instances that join and leave move no more lanes than they have to") {
    Outbox outbox;
    outbox.write(8);
    Member one{outbox, 1};
    one.run(1s);
    {
        Member two{outbox, 2};
        run_all(1s, one, two);
        CHECK(one.owned() == Lanes{0, 1});
        CHECK(two.owned() == Lanes{2, 3});
        outbox.write(8);
        run_all(1s, one, two);
        CHECK(two.snapshot().lanes[2].relay.events == 2);
        CHECK(one.snapshot().lanes[0].runs == 1);
        two.group().stop();
        run_all(1s, one, two);
        CHECK(two.ended);
        CHECK_FALSE(is_member(outbox, 2));
    }
    CHECK(one.owned() == Lanes{0, 1, 2, 3});
    CHECK(one.snapshot().lanes[1].runs == 1);
    CHECK(one.snapshot().lanes[3].runs == 2);
    outbox.write(8);
    run_all(1s, one);
    CHECK(outbox.delivered() == 24);
    CHECK(outbox.clean());
}

TEST_CASE("the lanes of an instance that has crashed are run by another") {
    Outbox outbox;
    Member one{outbox, 1};
    auto two = std::make_unique<Member>(outbox, 2);
    run_all(2s, one, *two);
    CHECK(one.owned().size() == 2);
    outbox.write(40);
    run_all(10ms, one, *two);
    two.reset();
    run_all(1s, one);
    CHECK(one.owned().size() == 4);
    CHECK(outbox.delivered() == 40);
    CHECK(outbox.clean());
}

TEST_CASE("a lane is given up only after its chunk in hand is committed") {
    Outbox outbox;
    Member one{outbox, 1};
    bool stopped = true;
    one.ownership.before_give_up = [&](int lane) {
        const auto now = one.snapshot().lanes[static_cast<std::size_t>(lane)];
        stopped = stopped && now.relay.state == LaneState::stopped;
        stopped = stopped && !outbox.lanes[static_cast<std::size_t>(lane)].open;
    };
    one.run(1s);
    outbox.write(400);
    Member two{outbox, 2};
    run_all(2s, one, two);
    CHECK(stopped);
    CHECK(one.owned().size() == 2);
    CHECK(outbox.delivered() == 400);
    CHECK(outbox.clean());
    for (const auto& lane : one.snapshot().lanes) CHECK(lane.relay.aborts == 0);
    // Nobody fenced anybody.
    for (const auto& lane : outbox.lanes) CHECK(lane.epoch <= 2);
}

TEST_CASE("a lane that somebody else was quicker to take is not run") {
    Outbox outbox{1};
    Member one{outbox, 1};
    one.ownership.before_take = [&](int lane) { outbox.locks.holders[lane] = 99; };
    one.run(1s);
    CHECK(one.owned().empty());
    CHECK(outbox.lanes[0].epoch == 0);
    CHECK(one.snapshot().lanes[0].runs == 0);
}

TEST_CASE("a lane that is no longer its own is stopped, and run again when it is") {
    Outbox outbox{2};
    Member one{outbox, 1};
    one.run(1s);
    outbox.locks.holders[1] = 99;
    one.run(1s);
    CHECK(one.owned() == Lanes{0});
    CHECK(one.snapshot().lanes[1].relay.state == LaneState::stopped);
    outbox.locks.holders.erase(1);
    outbox.write(4);
    one.run(1s);
    CHECK(one.owned() == Lanes{0, 1});
    CHECK(outbox.delivered() == 4);
}

TEST_CASE("I7: a lane that another owner took over is competed for, ever more seldom") {
    Outbox outbox{1};
    LaneGroupOptions options;
    options.compete = {.base = 100ms, .cap = 2s, .jitter = Jitter::equal};
    Member one{outbox, 1, options};
    one.run(1s);
    // Somebody who does not ask who has the lane, and takes it at each chance.
    const auto usurp = [&] {
        ++outbox.lanes[0].epoch;
        outbox.write(1);
    };
    std::vector<TimePoint> starts;
    one.on_make = [&](int) { starts.push_back(one.time().now()); };
    for (int i = 0; i < 10'000; ++i) {
        if (one.snapshot().lanes[0].relay.is_ready()) usurp();
        one.run(1ms);
    }
    // Each run is usurped in its first millisecond; the pauses grow to between 1 and 2 s.
    CHECK(starts.size() >= 7);
    CHECK(starts.size() <= 14);
    REQUIRE(starts.size() > 3);
    CHECK(starts[1] - starts[0] < 1s);
    CHECK(starts[starts.size() - 1] - starts[starts.size() - 2] >= 1s);
    const auto fenced = one.snapshot().lanes[0].relay;
    CHECK(fenced.fences >= starts.size() - 1);

    one.run(10s);
    CHECK(one.snapshot().lanes[0].relay.is_ready());
    CHECK(outbox.delivered() == outbox.committed());
    CHECK(outbox.clean());
    // A long run makes up for it.
    starts.clear();
    const auto began = one.time().now();
    usurp();
    one.run(1s);
    REQUIRE(starts.size() == 1);
    CHECK(starts[0] - began < 250ms);
}

TEST_CASE("without its session an instance stops its lanes, and joins again") {
    Outbox outbox;
    Member one{outbox, 1};
    one.run(1s);
    const auto before = one.snapshot();
    one.ownership.failure = fail(Errc::connection_lost, "the session is gone");
    one.run(10s);
    auto now = one.snapshot();
    CHECK(now.members == 0);
    CHECK(now.losses == 1);
    CHECK(now.reason.find("the session is gone") != std::string::npos);
    CHECK(one.owned().empty());
    for (const auto& lane : now.lanes) CHECK(lane.relay.state == LaneState::stopped);
    // Some failed looks have been made, not one each 200 ms.
    CHECK(one.ownership.looks < 25);
    CHECK(find_stall(now, one.time().now(), 3s).find("gone") != std::string::npos);
    CHECK(find_stall(now, now.since + 2s, 3s).empty());

    one.ownership.failure.reset();
    outbox.write(8);
    one.run(6s);
    now = one.snapshot();
    CHECK(now.members == 1);
    CHECK(now.reason.empty());
    CHECK(now.since > before.since);
    CHECK(outbox.delivered() == 8);
    CHECK(outbox.clean());
    // Each change was told of.
    REQUIRE(one.told.size() >= 3);
    CHECK(one.told.front().members == 1);
    CHECK(one.told[1].members == 0);
    CHECK(one.told.back().members == 1);
}

TEST_CASE("a failure while lanes are taken or given up is that of the session") {
    for (const bool taking : {true, false}) {
        CAPTURE(taking);
        Outbox outbox;
        Member one{outbox, 1};
        auto& hook = taking ? one.ownership.before_take : one.ownership.before_give_up;
        hook = [&](int) { one.ownership.failure = fail(Errc::timed_out_in_doubt); };
        if (!taking) one.run(1s);
        Member two{outbox, 2};
        run_all(1s, one, two);
        CHECK(one.snapshot().members == 0);
        CHECK(one.owned().empty());
        hook = [](int) {};
        one.ownership.failure.reset();
        outbox.write(8);
        run_all(10s, one, two);
        CHECK(one.owned().size() == 2);
        CHECK(two.owned().size() == 2);
        CHECK(outbox.delivered() == 8);
        CHECK(outbox.clean());
    }
}

TEST_CASE("a lane that cannot be made is told of and tried again; the others run") {
    Outbox outbox;
    Member one{outbox, 1};
    int tries = 0;
    one.on_make = [&](int lane) {
        if (lane != 2) return;
        ++tries;
        throw std::invalid_argument("no such topic");
    };
    outbox.write(8);
    one.run(20s);
    CHECK(outbox.delivered() == 6);
    CHECK(tries > 4);
    CHECK(tries < 40);
    const auto now = one.snapshot();
    CHECK(now.lanes[2].relay.state == LaneState::halted);
    CHECK(now.lanes[2].relay.reason == "no such topic");
    CHECK(now.lanes[2].runs == 0);
    // Since the first of them.
    CHECK(one.time().now() - now.lanes[2].relay.since > 19s);
    CHECK(find_stall(now, one.time().now(), 3s) == "lane 2 is halted: no such topic");
    one.on_make = [](int) {};
    one.run(6s);
    CHECK(outbox.delivered() == 8);
    CHECK(find_stall(one.snapshot(), one.time().now(), 0s).empty());
}

TEST_CASE("a factory that makes no parts is told of") {
    Outbox outbox{1};
    Member one{outbox, 1};
    one.makes_nothing = true;
    one.run(1s);
    const auto now = one.snapshot().lanes[0];
    CHECK(now.relay.state == LaneState::halted);
    CHECK(now.relay.reason.find("LaneFactory") != std::string::npos);
}

TEST_CASE("a lane that has given up is run again") {
    Outbox outbox{1};
    LaneGroupOptions options;
    options.relay.halted_tries = 1;
    options.relay.pause.cap = 100ms;
    Member one{outbox, 1, options};
    outbox.lanes[0].missing.insert("t");
    outbox.write(1);
    one.run(30s);
    const auto now = one.snapshot().lanes[0];
    CHECK(now.runs > 3);
    CHECK(now.relay.halts + 1 >= now.runs);
    CHECK(now.relay.state == LaneState::halted);
    outbox.lanes[0].missing.clear();
    one.run(6s);
    CHECK(outbox.clean());
    CHECK(one.snapshot().lanes[0].relay.is_ready());
}

TEST_CASE("a writer wakes every lane") {
    Outbox outbox;
    LaneGroupOptions options;
    options.relay.least_poll = 60s;
    options.relay.poll_interval = 60s;
    Member one{outbox, 1, options};
    one.run(1s);
    outbox.write(8);
    one.run(1s);
    CHECK(outbox.delivered() == 0);
    one.group().wake();
    one.run(1ms);
    CHECK(outbox.delivered() == 8);
}

TEST_CASE("I1, I7: instances that come, go, crash and lose their sessions deliver once") {
    for (unsigned seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        std::mt19937 random{seed};
        Outbox outbox;
        std::vector<std::unique_ptr<Member>> members(3);
        int next = 0;
        for (int turn = 0; turn < 300; ++turn) {
            outbox.write(static_cast<int>(random() % 5));
            auto& member = members[random() % members.size()];
            const auto what = random() % 8;
            if (!member || what == 0) {
                member.reset();
                member = std::make_unique<Member>(outbox, ++next);
            } else if (what == 1) {
                member->ownership.failure = fail(Errc::connection_lost);
            } else if (what == 2) {
                member->ownership.failure.reset();
            } else if (what == 3) {
                member->group().stop();
            } else if (what == 4) {
                // Another has the locks although this one goes on.
                outbox.locks.holders.clear();
            }
            for (auto& one : members) {
                if (one) one->run(std::chrono::milliseconds{random() % 40});
            }
        }
        members.clear();
        Member last{outbox, ++next};
        last.run(5s);
        REQUIRE(outbox.delivered() == outbox.committed());
        REQUIRE(outbox.clean());
    }
}
