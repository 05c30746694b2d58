// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_PERCENT_HPP
#define RESILIENCE_HOST_PERCENT_HPP

#include "host/text.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace resilience::host {

/** Decodes percent escapes.

    Boost.URL decodes as well but keeps neither control characters nor broken UTF-8 out.

    @param plus_is_space As in HTML forms.
    @return Empty when all is well; else a sentence.
*/
inline std::string_view percent_decode(
    std::string_view text, bool plus_is_space, std::string& out
) {
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    out.clear();
    bool plain = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) return "a percent escape is broken";
            c = static_cast<char>(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return "a control character is not allowed";
        }
        plain = plain && static_cast<unsigned char>(c) < 0x80;
        out += c;
    }
    if (!plain && !is_clean_text(out)) return "the text is not UTF-8";
    return {};
}

}  // namespace resilience::host

#endif
