// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_PLAN_HPP
#define RESILIENCE_LANE_PLAN_HPP

#include <algorithm>
#include <cstddef>
#include <vector>

namespace resilience {

/// Who has which lanes at one moment, as one instance sees it.
struct LaneCensus {
    /// Instances that share the lanes, this one included. At least 1.
    int members = 1;
    /// Lanes that this instance has; ascending.
    std::vector<int> held;
    /// Lanes that nobody has; ascending.
    std::vector<int> free;
};

/// What an instance does next.
struct LanePlan {
    std::vector<int> take;
    std::vector<int> give_up;
};

/// Most lanes that one of `members` instances has. All of them together have room for
/// every lane.
constexpr int lane_quota(int lanes, int members) noexcept {
    const int sharing = std::max(members, 1);
    return (lanes + sharing - 1) / sharing;
}

/** Decides which lanes an instance takes and gives up. Pure.

    It gives up what is above its quota, the last lanes first, and else takes free ones up
    to it, the first ones first. It never does both, and never gives up a lane because
    somebody has fewer: whoever joins or leaves moves no more lanes than it has to.

    Instances that each follow their plans, however late and in whatever order, come to a
    state in which every lane has an owner and nobody is above the quota, and stay there
    while no one joins or leaves.

    @param lanes How many there are; at least 1.
*/
inline LanePlan plan_lanes(int lanes, const LaneCensus& census) {
    const auto quota = static_cast<std::size_t>(lane_quota(lanes, census.members));
    LanePlan plan;
    const auto& [members, held, free] = census;
    if (held.size() > quota) {
        plan.give_up.assign(
            held.begin() + static_cast<std::ptrdiff_t>(quota), held.end()
        );
    } else {
        const auto room = std::min(quota - held.size(), free.size());
        plan.take.assign(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(room));
    }
    return plan;
}

}  // namespace resilience

#endif
