// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_POISON_LAW_HPP
#define RESILIENCE_DETAIL_POISON_LAW_HPP

#include <resilience/event.hpp>
#include <resilience/poison_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::detail {

/// What becomes of events that their topics never take.
struct PoisonRules {
    PoisonPolicy policy = PoisonPolicy::halt_lane;
    /// Topics with a policy of their own.
    std::map<std::string, PoisonPolicy, std::less<>> topics = {};
    /// Most keys of a lane that are parked.
    std::size_t most_parked = default_max_parked;

    PoisonPolicy of(std::string_view topic) const {
        const auto own = topics.find(topic);
        return own == topics.end() ? policy : own->second;
    }
};

inline bool has_key(const Event& event) noexcept {
    return event.partition_key && !event.partition_key->empty();
}

/// The parking that an event belongs to; null: none.
inline ParkedKey* find_parking(
    std::vector<ParkedKey>& parked, const Event& event
) noexcept {
    if (parked.empty() || !has_key(event)) return nullptr;
    const auto found = std::ranges::find_if(parked, [&](const ParkedKey& one) {
        return one.key == *event.partition_key && one.topic == event.topic;
    });
    return found == parked.end() ? nullptr : &*found;
}

/// What becomes of an event. If nothing of it is set, and nothing is wrong with the
/// event, it is delivered.
struct PoisonFate {
    /// The parking that it goes with; null: none.
    ParkedKey* parking = nullptr;
    /// It begins a parking, @ref begin_parking.
    bool begins = false;
    /// It would begin a parking, and there are as many as may be.
    bool is_full = false;
    /// Its lane halts for it.
    bool halts = false;
    /// What takes its place goes to the topic of parked events, be it alone.
    bool parks = false;
};

/** What becomes of the next event of a lane. Pure.

    @param is_refused It cannot be delivered as it is.
    @param parked The parkings that there are when the lane has come to it.
*/
inline PoisonFate fate_of(
    const Event& event,
    bool is_refused,
    const PoisonRules& rules,
    std::vector<ParkedKey>& parked
) {
    PoisonFate fate;
    fate.parking = find_parking(parked, event);
    fate.parks = fate.parking != nullptr;
    if (!is_refused || fate.parking) return fate;
    const auto policy = rules.of(event.topic);
    fate.parks = policy == PoisonPolicy::park_key;
    const bool wants = fate.parks && has_key(event);
    fate.is_full = wants && parked.size() >= rules.most_parked;
    fate.begins = wants && !fate.is_full;
    fate.halts = fate.is_full || policy == PoisonPolicy::halt_lane;
    return fate;
}

/// Adds the parking that an event begins.
/// @param before The `lane_seq` of the event before it in its lane.
inline ParkedKey* begin_parking(
    std::vector<ParkedKey>& parked, const Event& event, std::uint64_t before
) {
    parked.push_back({event.topic, *event.partition_key, before + 1, 0});
    return &parked.back();
}

}  // namespace resilience::detail

#endif
