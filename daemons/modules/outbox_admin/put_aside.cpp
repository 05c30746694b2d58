// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/put_aside.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/lane_relay.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

bool has_key(const Event& event) {
    return event.partition_key && !event.partition_key->empty();
}

// The parking that an event belongs to; null: none.
ParkedKey* find_parking(std::vector<ParkedKey>& parked, const Event& event) {
    if (!has_key(event)) return nullptr;
    const auto found = std::ranges::find_if(parked, [&](const ParkedKey& one) {
        return one.topic == event.topic && one.key == *event.partition_key;
    });
    return found == parked.end() ? nullptr : &*found;
}

}  // namespace

PoisonPolicy Poison::of(std::string_view topic) const {
    const auto own = topics.find(topic);
    return own == topics.end() ? policy : own->second;
}

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
        auto* parking = find_parking(parked, event);
        const auto policy = poison.of(event.topic);
        if (why && !parking) {
            const bool begins = policy == PoisonPolicy::park_key && has_key(event);
            const bool is_full = begins && parked.size() >= poison.most_parked;
            if (is_full) why->detail += " (and no more keys can be parked)";
            if (is_full || policy == PoisonPolicy::halt_lane) {
                made.halting.push_back(
                    {at, row.seq, event.id, event.topic, std::move(*why)}
                );
                continue;
            }
            if (begins) {
                const auto since = lane_seq + made.events.size() + 1;
                parked.push_back({event.topic, *event.partition_key, since, 0});
                parking = &parked.back();
            }
        }
        if (parking) {
            ++parking->events;
            ++made.parked;
            const auto reason =
                why ? std::move(*why) : fail(Errc::cancelled, "its key is parked");
            row.event = parked_event(row, reason, default_park_suffix, *parking);
        } else if (why) {
            // An event without a key is parked alone.
            const bool parks = policy == PoisonPolicy::park_key;
            ++(parks ? made.parked : made.dead_letters);
            const auto suffix = parks ? default_park_suffix : default_dead_letter_suffix;
            row.event = dead_letter(row, *why, suffix);
        }
        row.defect.clear();
        made.events.push_back(std::move(row));
    }
    return made;
}

}  // namespace resilience::modules::outbox_admin
