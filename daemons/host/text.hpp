// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_TEXT_HPP
#define RESILIENCE_HOST_TEXT_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace resilience::host {

/// Length of the UTF-8 sequence at the front of `text`, or 0 when there is no valid one
/// (surrogates, overlong forms and cut sequences are not valid).
std::size_t utf8_sequence(std::string_view text) noexcept;

/// Whether `text` is valid UTF-8 without NUL.
bool is_clean_text(std::string_view text) noexcept;

/// Appends `text` in quotes, escaped for JSON; a byte that is no UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// Whether a field `Host` may have this value: a name or an address, and a port, in the
/// characters that these are written with (RFC 3986); it may be empty (RFC 9112).
bool is_host_field(std::string_view text) noexcept;

/// Compares ASCII text in any case.
bool equal_in_any_case(std::string_view a, std::string_view b) noexcept;

}  // namespace resilience::host

#endif
