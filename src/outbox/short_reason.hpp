// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_SHORT_REASON_HPP
#define RESILIENCE_SRC_OUTBOX_SHORT_REASON_HPP

#include <resilience/error.hpp>

#include <cstddef>
#include <string>

namespace resilience::detail {

/// What a dead letter's header says of a failure: at most 1,000 bytes, cut between
/// characters, so UTF-8 if the failure's text is. Pure.
inline std::string short_reason(const Failure& why) {
    constexpr std::size_t longest = 1000;
    std::string text = why.message();
    if (text.size() <= longest) return text;
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    return text;
}

}  // namespace resilience::detail

#endif
