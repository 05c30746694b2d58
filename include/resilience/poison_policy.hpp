// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POISON_POLICY_HPP
#define RESILIENCE_POISON_POLICY_HPP

#include <cstddef>
#include <cstdint>
#include <string>

namespace resilience {

/// What becomes of an event that its destination will never take as it is.
enum class PoisonPolicy : std::uint8_t {
    /// Everything before it is delivered, then the lane halts until somebody helps.
    halt_lane,
    /// Its @ref dead_letter takes its place, in the same transaction.
    dlq,
    /// Its key is parked: it and all later events of its key and topic go to the topic of
    /// parked events instead, as @ref parked_event, in order and in the transactions that
    /// they would have been delivered in. Which keys are parked is part of the position,
    /// so it survives crashes and goes to the next owner. An event without a key goes
    /// there alone. See @ref LaneRelayOptions::find_unparks.
    park_key
};

/// A key whose events are put aside, see @ref PoisonPolicy::park_key.
struct ParkedKey {
    /// The events' own topic.
    std::string topic;
    std::string key;
    /// `lane_seq` of the first of its events that was put aside. No other parking of the
    /// lane has the same.
    std::uint64_t since = 0;
    /// How many were put aside.
    std::uint64_t events = 0;

    friend bool operator==(const ParkedKey&, const ParkedKey&) = default;
};

/// Most keys of a lane that are parked, if nothing else is said.
inline constexpr std::size_t default_max_parked = 100;

}  // namespace resilience

#endif
