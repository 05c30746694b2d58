// SPDX-License-Identifier: MIT
#include <modules/backfill/summary.hpp>

#include <algorithm>
#include <utility>

namespace resilience::modules::backfill {

std::int64_t add(std::vector<Summary>& all, std::vector<Summary> range) {
    std::int64_t events = 0;
    for (auto& part : range) {
        events += part.events;
        const auto at =
            std::ranges::lower_bound(all, part.event_type, {}, &Summary::event_type);
        if (at == all.end() || at->event_type != part.event_type) {
            all.insert(at, std::move(part));
            continue;
        }
        at->events += part.events;
        if (part.first_key < at->first_key) {
            at->first = std::move(part.first);
            at->first_key = std::move(part.first_key);
        }
        if (part.last_key > at->last_key) {
            at->last = std::move(part.last);
            at->last_key = std::move(part.last_key);
        }
    }
    return events;
}

}  // namespace resilience::modules::backfill
