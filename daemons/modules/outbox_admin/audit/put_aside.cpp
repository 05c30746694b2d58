// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/put_aside.hpp>

#include <resilience/detail/aside_event.hpp>
#include <resilience/lane_relay.hpp>

#include <optional>
#include <utility>

namespace resilience::modules::outbox_admin {

PutAside put_aside(
    std::vector<WindowEvent> rows,
    const std::map<std::int64_t, Failure>& refused,
    const Poison& poison,
    std::uint64_t lane_seq,
    std::vector<ParkedKey>& parked
) {
    PutAside made;
    for (std::size_t at = 0; at < rows.size(); ++at) {
        auto& row = rows[at];
        const auto& event = row.event;
        const auto found = refused.find(row.seq);
        auto why = found == refused.end() ? find_defect(row)
                                          : std::optional<Failure>{found->second};
        auto fate = detail::fate_of(event, why.has_value(), poison, parked);
        if (fate.halts) {
            if (fate.is_full) why->detail += " (and no more keys can be parked)";
            made.halting.push_back({at, row.seq, event.id, event.topic, std::move(*why)});
            continue;
        }
        if (fate.begins) {
            const auto before = lane_seq + made.events.size();
            fate.parking = detail::begin_parking(parked, event, before);
        }
        if (why || fate.parking) {
            ++(fate.parks ? made.parked : made.dead_letters);
            detail::put_aside(row, why.value_or(detail::key_is_parked()), fate);
        }
        made.events.push_back(std::move(row));
    }
    return made;
}

}  // namespace resilience::modules::outbox_admin
