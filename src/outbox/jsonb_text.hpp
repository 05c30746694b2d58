// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_JSONB_TEXT_HPP
#define RESILIENCE_SRC_OUTBOX_JSONB_TEXT_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace resilience::detail {

/** Bounds the bytes that PostgreSQL prints for a `jsonb` which was read from `json`.
   Pure.

    It prints a space after each comma and colon and none elsewhere, numbers without an
    exponent, a key that comes twice once, and no string longer than it was written. For a
    text that it printed itself the bound is exact.

    @param json A valid JSON text.
*/
std::uint64_t jsonb_text_bound(std::string_view json) noexcept;

}  // namespace resilience::detail

#endif
