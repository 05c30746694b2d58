// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_ASIDE_EVENT_HPP
#define RESILIENCE_DETAIL_ASIDE_EVENT_HPP

#include <resilience/dead_letter.hpp>
#include <resilience/detail/poison_law.hpp>

#include <string_view>

namespace resilience::detail {

/// Why an event is put aside with which nothing is wrong.
inline Failure key_is_parked() { return fail(Errc::cancelled, "its key is parked"); }

/// Puts what takes the place of an event into its row, and counts it in its parking.
inline void put_aside(
    WindowEvent& row,
    const Failure& why,
    const PoisonFate& fate,
    std::string_view dead_letter_suffix = default_dead_letter_suffix,
    std::string_view park_suffix = default_park_suffix
) {
    if (fate.parking) {
        ++fate.parking->events;
        row.event = parked_event(row, why, park_suffix, *fate.parking);
    } else {
        row.event = dead_letter(row, why, fate.parks ? park_suffix : dead_letter_suffix);
    }
    row.defect.clear();
}

}  // namespace resilience::detail

#endif
