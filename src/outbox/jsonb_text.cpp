// SPDX-License-Identifier: MIT
#include "jsonb_text.hpp"

#include <algorithm>

namespace resilience::detail {
namespace {

// Larger exponents than PostgreSQL takes; a text full of such numbers still overflows
// nothing.
constexpr std::int64_t most_exponent = 1'000'000;

// Takes from the front of `text` what belongs to a string whose quote is the first byte.
std::size_t string_bytes(std::string_view text) noexcept {
    std::size_t i = 1;
    while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
    return std::min(i + 1, text.size());
}

std::int64_t count_digits(std::string_view& text) noexcept {
    const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(end);
    return static_cast<std::int64_t>(end);
}

bool take(std::string_view& text, std::string_view any) noexcept {
    if (text.empty() || any.find(text.front()) == any.npos) return false;
    text.remove_prefix(1);
    return true;
}

// Takes a number from the front of `text` and bounds its digits without an exponent.
std::int64_t take_number(std::string_view& text) noexcept {
    const std::int64_t sign = take(text, "-") ? 1 : 0;
    const std::int64_t whole = count_digits(text);
    const std::int64_t decimals = take(text, ".") ? count_digits(text) : 0;
    std::int64_t exponent = 0;
    if (take(text, "eE")) {
        const bool negative = !text.empty() && text.front() == '-';
        (void)take(text, "+-");
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9';
             text.remove_prefix(1)) {
            exponent = std::min(exponent * 10 + (text.front() - '0'), most_exponent);
        }
        if (negative) exponent = -exponent;
    }
    const auto left = std::max<std::int64_t>(whole + exponent, 1);
    const auto right = std::max<std::int64_t>(decimals - exponent, 0);
    return sign + left + (right > 0 ? 1 + right : 0);
}

}  // namespace

std::uint64_t jsonb_text_bound(std::string_view json) noexcept {
    std::uint64_t bytes = 0;
    while (!json.empty()) {
        std::size_t used = 1;
        switch (const char c = json.front()) {
            case ' ':
            case '\t':
            case '\n':
            case '\r':
                break;
            case ',':
            case ':':
                bytes += 2;
                break;
            case '"':
                used = string_bytes(json);
                bytes += used;
                break;
            default:
                if (c == '-' || (c >= '0' && c <= '9')) {
                    bytes += static_cast<std::uint64_t>(take_number(json));
                    used = 0;
                } else {
                    ++bytes;
                }
        }
        json.remove_prefix(used);
    }
    return bytes;
}

}  // namespace resilience::detail
