// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_PUT_ASIDE_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_PUT_ASIDE_HPP

#include <resilience/detail/poison_law.hpp>
#include <resilience/error.hpp>
#include <resilience/lane_position.hpp>
#include <resilience/window_source.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// What becomes of events that their topics never take: as in a relay.
using Poison = detail::PoisonRules;

/// A row for which its policy halts a lane.
struct HaltingRow {
    /// Where it stood among the rows.
    std::size_t at = 0;
    std::int64_t seq = 0;
    std::string event;
    std::string topic;
    Failure why;
};

/// Rows as they are to be delivered.
struct PutAside {
    /// In their order, those that halt the lane left out.
    std::vector<WindowEvent> events;
    std::vector<HaltingRow> halting;
    /// How many of the events are dead letters or parked.
    std::size_t dead_letters = 0;
    std::size_t parked = 0;
};

/** Turns those of the rows that cannot be delivered into dead letters or parked events,
    and those whose keys are parked into parked events, as a relay does: none may come to
    its topic before those that are there already. Pure.

    @param refused Rows that their topic refused, by `seq`; others are judged by
        @ref find_defect.
    @param lane_seq The last number that the lane has given; parkings that begin are named
        by those that follow.
    @param parked The keys that the lane's position holds; counts them, and adds those
        that are parked from here on.
*/
PutAside put_aside(
    std::vector<WindowEvent> rows,
    const std::map<std::int64_t, Failure>& refused,
    const Poison& poison,
    std::uint64_t lane_seq,
    std::vector<ParkedKey>& parked
);

}  // namespace resilience::modules::outbox_admin

#endif
