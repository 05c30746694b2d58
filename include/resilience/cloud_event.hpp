// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CLOUD_EVENT_HPP
#define RESILIENCE_CLOUD_EVENT_HPP

#include <resilience/event.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace resilience {

/// The `source` attribute of events whose relay names no other.
inline constexpr std::string_view default_cloud_event_source = "/resilience/outbox";

/** The headers of a message in the binary mode of CloudEvents 1.0. Pure.

    `ce_specversion`, `ce_id`, `ce_source`, `ce_type`, `ce_subject` (the aggregate's id),
    `ce_time` (RFC 3339, when the event has a time) and `content-type`, followed by the
    event's own headers in their order. A header of the event whose name, in any case, is
    one of these is left out. The message's value is `event_data` as it is.

    @param source The `source` attribute: a URI reference, such as @ref
        default_cloud_event_source.
*/
std::vector<Header> cloud_event_headers(const Event& event, std::string_view source);

/** The event as one JSON object text of CloudEvents 1.0, without a line break. Pure.

    `specversion`, `id`, `source`, `type`, `subject`, `time`, `datacontenttype`, `topic`,
    `partitionkey`; `traceparent` and `tracestate` when the event has them; its other
    headers, less those that @ref cloud_event_headers leaves out, as the object `headers`;
    and last `data`: `event_data`, embedded as JSON.

    REQUIRES: `event_data` is JSON, all other fields are valid UTF-8.
*/
std::string cloud_event_json(const Event& event, std::string_view source);

/// The key that keeps an event in order: its partition key, or else the aggregate's id.
inline std::string_view ordering_key(const Event& event) noexcept {
    return event.partition_key ? std::string_view{*event.partition_key}
                               : std::string_view{event.aggregate_id};
}

}  // namespace resilience

#endif
