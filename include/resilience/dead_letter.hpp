// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DEAD_LETTER_HPP
#define RESILIENCE_DEAD_LETTER_HPP

#include <resilience/error.hpp>
#include <resilience/event.hpp>
#include <resilience/lane_position.hpp>
#include <resilience/window_source.hpp>

#include <string_view>

namespace resilience {

/// What is added to a topic's name to make that of its dead letters, if nothing else is
/// said.
inline constexpr std::string_view default_dead_letter_suffix = ".dlq";

/// Header of a dead letter: the topic that the event was meant for.
inline constexpr std::string_view dead_letter_topic_header = "dead_letter_topic";
/// Header of a dead letter: why it is one, a sentence of at most 1,000 bytes.
inline constexpr std::string_view dead_letter_reason_header = "dead_letter_reason";
/// Header of a dead letter: the row's place in the table, a decimal number.
inline constexpr std::string_view dead_letter_seq_header = "dead_letter_seq";
/// Header of a dead letter whose content was left out, which is in the row alone.
inline constexpr std::string_view dead_letter_content_header = "dead_letter_content";

/// What is added to a topic's name to make that of its parked events, if nothing else is
/// said.
inline constexpr std::string_view default_park_suffix = ".parked";

/// Header of a parked event: @ref ParkedKey::since, which names the parking.
inline constexpr std::string_view parked_since_header = "parked_since";
/// Header of a parked event: which of its parking it is, from 1, a decimal number.
inline constexpr std::string_view parked_number_header = "parked_number";

/** Makes the event that takes the place of one that cannot be delivered. Pure.

    It has the same identity, key, kind and content, goes to the topic's name followed by
    `suffix`, and has the `dead_letter_*` headers after its own. Of an event that was
    Errc::too_large it has neither the content, which is `null`, nor the headers.
*/
Event dead_letter(const WindowEvent& row, const Failure& why, std::string_view suffix);

/** Makes the event that takes the place of one whose key is parked. Pure.

    As @ref dead_letter, and says with the `parked_*` headers that it is the last of
    `parked` so far.
*/
Event parked_event(
    const WindowEvent& row,
    const Failure& why,
    std::string_view suffix,
    const ParkedKey& parked
);

}  // namespace resilience

#endif
