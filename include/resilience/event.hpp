// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_EVENT_HPP
#define RESILIENCE_EVENT_HPP

#include <resilience/clock.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience {

/// Tells whether a topic may be called so: 1 to 249 of `A-Z a-z 0-9 . _ -`, but neither
/// `.` nor `..` (Kafka's rule, kept for every destination).
constexpr bool is_topic_name(std::string_view name) noexcept {
    constexpr std::string_view legal =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
           name.find_first_not_of(legal) == std::string_view::npos;
}

/// A header of a message: a name and a value, both UTF-8 text.
using Header = std::pair<std::string, std::string>;

/** Something that happened to an aggregate, to be told to others exactly as written.

    The content of a row of `outbox_events` (documents O5, M12).
*/
struct Event {
    /// Identity of the event, a UUID in text form. Empty: @ref Outbox makes a version 7
    /// UUID.
    std::string id = {};

    /// Kind of thing it happened to, such as `user`. 1 to 255 bytes.
    std::string aggregate_type = {};

    /// Which of these things. 1 to 255 bytes.
    std::string aggregate_id = {};

    /// What happened, such as `user.created`. 1 to 255 bytes.
    std::string event_type = {};

    /// The content: one JSON text.
    std::string event_data = {};

    /// Where it goes; see @ref is_topic_name. Empty: the outbox's default topic.
    std::string topic = {};

    /// Events of one key stay in order. At most 255 bytes; none: the aggregate's id.
    std::optional<std::string> partition_key = {};

    /// Sent along with the message, after those that the relay writes itself (`ce_*`).
    std::vector<Header> headers = {};

    /// When it happened. Unset: the moment it is appended.
    std::optional<WallClock::time_point> created_at = {};

    /// Deliveries tried again after the first fails, before the event is given up as
    /// FAILED. Unset: the outbox's default.
    std::optional<std::int32_t> max_retries = {};
};

}  // namespace resilience

#endif
