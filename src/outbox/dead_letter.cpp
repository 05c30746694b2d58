// SPDX-License-Identifier: MIT
#include <resilience/dead_letter.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace resilience {
namespace {

constexpr std::size_t longest_reason = 1000;

// Cuts between characters: what is left is UTF-8 if the text was.
std::string shortened(std::string text) {
    if (text.size() <= longest_reason) return text;
    std::size_t end = longest_reason;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    return text;
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
    const auto add = [&letter](std::string_view name, std::string value) {
        std::erase_if(letter.headers, [name](const Header& h) {
            return h.first == name;
        });
        letter.headers.emplace_back(std::string{name}, std::move(value));
    };
    add(dead_letter_topic_header, row.event.topic);
    add(dead_letter_reason_header, shortened(why.message()));
    add(dead_letter_seq_header, std::to_string(row.seq));
    if (oversize) add(dead_letter_content_header, "left out");
    return letter;
}

}  // namespace resilience
