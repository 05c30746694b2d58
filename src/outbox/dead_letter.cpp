// SPDX-License-Identifier: MIT
#include <resilience/dead_letter.hpp>

#include "short_reason.hpp"

#include <string>
#include <utility>

namespace resilience {
namespace {

void add(Event& letter, std::string_view name, std::string value) {
    std::erase_if(letter.headers, [name](const Header& h) { return h.first == name; });
    letter.headers.emplace_back(std::string{name}, std::move(value));
}

}  // namespace

Event dead_letter(const WindowEvent& row, const Failure& why, std::string_view suffix) {
    Event letter = row.event;
    letter.topic += suffix;
    const bool oversize = why == Errc::too_large;
    if (oversize) {
        letter.event_data = "null";
        letter.headers.clear();
    }
    add(letter, dead_letter_topic_header, row.event.topic);
    add(letter, dead_letter_reason_header, detail::short_reason(why));
    add(letter, dead_letter_seq_header, std::to_string(row.seq));
    if (oversize) add(letter, dead_letter_content_header, "left out");
    return letter;
}

Event parked_event(
    const WindowEvent& row,
    const Failure& why,
    std::string_view suffix,
    const ParkedKey& parked
) {
    auto letter = dead_letter(row, why, suffix);
    add(letter, parked_since_header, std::to_string(parked.since));
    add(letter, parked_number_header, std::to_string(parked.events));
    return letter;
}

}  // namespace resilience
