// SPDX-License-Identifier: MIT
// Instances that share lanes, in every state that few of them can be in.
#include <resilience/lane_plan.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <vector>

using namespace resilience;

namespace {

constexpr int nobody = -1;

// Who has each lane, and how many there are to share them.
struct Fleet {
    std::vector<int> owner;
    int members = 1;

    LaneCensus census(int member) const {
        LaneCensus seen{.members = members, .held = {}, .free = {}};
        for (int lane = 0; lane < lanes(); ++lane) {
            const int has = owner[static_cast<std::size_t>(lane)];
            if (has == member) seen.held.push_back(lane);
            if (has == nobody) seen.free.push_back(lane);
        }
        return seen;
    }
    int lanes() const { return static_cast<int>(owner.size()); }

    // A lane that somebody else was quicker to take is not taken.
    void act(int member, const LanePlan& plan) {
        for (const int lane : plan.give_up) {
            owner[static_cast<std::size_t>(lane)] = nobody;
        }
        for (const int lane : plan.take) {
            auto& has = owner[static_cast<std::size_t>(lane)];
            if (has == nobody) has = member;
        }
    }

    // All look, then all act, in the order given.
    void round(const std::vector<int>& order) {
        std::vector<LanePlan> plans;
        for (int member = 0; member < members; ++member) {
            plans.push_back(plan_lanes(lanes(), census(member)));
        }
        for (const int member : order) {
            act(member, plans[static_cast<std::size_t>(member)]);
        }
    }

    int most() const {
        int most = 0;
        for (int member = 0; member < members; ++member) {
            most = std::max(most, static_cast<int>(census(member).held.size()));
        }
        return most;
    }
    bool is_settled() const {
        return census(0).free.empty() && most() <= lane_quota(lanes(), members);
    }
};

// Each way in which lanes can belong to members or to nobody.
void each_fleet(int lanes, int members, const std::function<void(const Fleet&)>& look) {
    Fleet fleet{std::vector<int>(static_cast<std::size_t>(lanes), nobody), members};
    for (;;) {
        look(fleet);
        std::size_t lane = 0;
        while (lane < fleet.owner.size() && ++fleet.owner[lane] == members) {
            fleet.owner[lane++] = nobody;
        }
        if (lane == fleet.owner.size()) return;
    }
}

std::vector<int> all_of(int members) {
    std::vector<int> order(static_cast<std::size_t>(members));
    std::iota(order.begin(), order.end(), 0);
    return order;
}

// How many lanes have another owner.
int moved(const Fleet& before, const Fleet& after) {
    int count = 0;
    for (std::size_t lane = 0; lane < before.owner.size(); ++lane) {
        count += before.owner[lane] != after.owner[lane];
    }
    return count;
}

}  // namespace

TEST_CASE("from wherever they are, instances come to rest with every lane owned") {
    for (int lanes = 1; lanes <= 5; ++lanes) {
        for (int members = 1; members <= 4; ++members) {
            each_fleet(lanes, members, [&](const Fleet& start) {
                auto order = all_of(members);
                do {
                    Fleet fleet = start;
                    int rounds = 0;
                    while (!fleet.is_settled() && rounds <= lanes + 1) {
                        fleet.round(order);
                        ++rounds;
                    }
                    // Each round at least one free lane finds its owner.
                    REQUIRE(rounds <= lanes + 1);
                    const auto rest = fleet.owner;
                    fleet.round(order);
                    REQUIRE(fleet.owner == rest);
                } while (std::ranges::next_permutation(order).found);
            });
        }
    }
}

TEST_CASE("plans that were made long ago do no harm: nobody has more than the quota") {
    each_fleet(4, 3, [](const Fleet& start) {
        Fleet fleet = start;
        // Each acts on what it saw before the two others did.
        std::vector<LanePlan> plans;
        for (int member = 0; member < 3; ++member) {
            plans.push_back(plan_lanes(4, fleet.census(member)));
        }
        const int before = fleet.most();
        for (int member = 0; member < 3; ++member) {
            fleet.act(member, plans[static_cast<std::size_t>(member)]);
        }
        REQUIRE(fleet.most() <= std::max(before, lane_quota(4, 3)));
    });
}

TEST_CASE("whoever joins moves no lane but those above the new quota") {
    for (int members = 1; members <= 4; ++members) {
        each_fleet(6, members, [&](const Fleet& before) {
            if (!before.is_settled()) return;
            Fleet after = before;
            ++after.members;
            int above = 0;
            for (int member = 0; member < members; ++member) {
                const auto held = static_cast<int>(before.census(member).held.size());
                above += std::max(0, held - lane_quota(6, members + 1));
            }
            for (int turn = 0; turn < 8; ++turn) after.round(all_of(members + 1));
            REQUIRE(after.is_settled());
            REQUIRE(moved(before, after) == above);
        });
    }
}

TEST_CASE("when one leaves, the others keep what they have and share what was its") {
    for (int members = 2; members <= 4; ++members) {
        each_fleet(6, members, [&](const Fleet& before) {
            if (!before.is_settled()) return;
            Fleet after = before;
            --after.members;
            int orphans = 0;
            for (auto& owner : after.owner) {
                if (owner != members - 1) continue;
                owner = nobody;
                ++orphans;
            }
            for (int turn = 0; turn < 8; ++turn) after.round(all_of(members - 1));
            REQUIRE(after.is_settled());
            REQUIRE(moved(before, after) == orphans);
        });
    }
}

TEST_CASE("an instance alone has every lane; more instances than lanes stand by") {
    CHECK(lane_quota(64, 1) == 64);
    CHECK(lane_quota(4, 3) == 2);
    CHECK(lane_quota(4, 4) == 1);
    CHECK(lane_quota(1, 100) == 1);
    // Nobody is a member of nothing.
    CHECK(lane_quota(4, 0) == 4);
    const auto first = plan_lanes(2, {.members = 3, .held = {}, .free = {0, 1}});
    CHECK(first.take == std::vector<int>{0});
    const auto third = plan_lanes(2, {.members = 3, .held = {}, .free = {}});
    CHECK(third.take.empty());
    CHECK(third.give_up.empty());
}

TEST_CASE("what is above the quota goes from the end, and nothing is taken meanwhile") {
    const auto plan = plan_lanes(6, {.members = 2, .held = {0, 2, 3, 5}, .free = {1}});
    CHECK(plan.give_up == std::vector<int>{5});
    CHECK(plan.take.empty());
}
