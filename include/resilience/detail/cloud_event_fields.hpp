// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CLOUD_EVENT_FIELDS_HPP
#define RESILIENCE_DETAIL_CLOUD_EVENT_FIELDS_HPP

#include <resilience/event.hpp>

#include <string_view>
#include <utility>
#include <vector>

namespace resilience::detail {

/// A header whose bytes somebody else keeps.
using HeaderView = std::pair<std::string_view, std::string_view>;

/** Appends what @ref cloud_event_headers tells of an event, as views of its arguments.

    @param time The event's time as RFC 3339 writes it; empty if it has none.
*/
void append_cloud_event_fields(
    const Event& event,
    std::string_view source,
    std::string_view time,
    std::vector<HeaderView>& fields
);

}  // namespace resilience::detail

#endif
