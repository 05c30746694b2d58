// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/put_aside.hpp>

#include <resilience/dead_letter.hpp>

#include <algorithm>

namespace resilience::modules::outbox_admin {

std::size_t put_aside(std::vector<WindowEvent>& events, std::vector<ParkedKey>& parked) {
    std::size_t count = 0;
    for (auto& row : events) {
        const auto& event = row.event;
        if (!event.partition_key) continue;
        const auto parking = std::ranges::find_if(parked, [&](const ParkedKey& one) {
            return one.topic == event.topic && one.key == *event.partition_key;
        });
        if (parking == parked.end()) continue;
        ++parking->events;
        ++count;
        const auto why = fail(Errc::cancelled, "its key is parked");
        row.event = parked_event(row, why, default_park_suffix, *parking);
    }
    return count;
}

}  // namespace resilience::modules::outbox_admin
