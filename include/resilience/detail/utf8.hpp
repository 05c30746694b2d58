// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_UTF8_HPP
#define RESILIENCE_DETAIL_UTF8_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace resilience::detail {

/// Tells whether `text` is well-formed UTF-8 (RFC 3629: shortest forms, no surrogates, at
/// most U+10FFFF) and free of NUL, which no store of this library takes.
constexpr bool is_storable_text(std::string_view text) noexcept {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<std::uint8_t>(text[i++]);
        if (lead == 0) return false;
        if (lead < 0x80) continue;
        std::size_t more = 0;
        std::uint8_t low = 0x80;
        std::uint8_t high = 0xbf;
        if (lead >= 0xc2 && lead <= 0xdf) {
            more = 1;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            more = 2;
            if (lead == 0xe0) low = 0xa0;
            if (lead == 0xed) high = 0x9f;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            if (lead == 0xf0) low = 0x90;
            if (lead == 0xf4) high = 0x8f;
        } else {
            return false;
        }
        for (; more > 0; --more) {
            if (i == text.size()) return false;
            const auto byte = static_cast<std::uint8_t>(text[i++]);
            if (byte < low || byte > high) return false;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}

}  // namespace resilience::detail

#endif
