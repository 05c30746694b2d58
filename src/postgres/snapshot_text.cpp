// SPDX-License-Identifier: MIT
#include "snapshot_text.hpp"

#include <charconv>
#include <system_error>

namespace resilience::postgres {
namespace {

// Takes a number and the colon behind it off the front.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
    std::uint64_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec != std::errc{} || read.ptr == end || *read.ptr != ':') {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()) + 1);
    return number;
}

}  // namespace

std::optional<std::uint64_t> end_of_snapshot(std::string_view text) noexcept {
    const auto xmin = take_number(text);
    if (!xmin || *xmin == 0) return std::nullopt;
    const auto xmax = take_number(text);
    if (!xmax || *xmax < *xmin) return std::nullopt;
    if (text.find_first_not_of("0123456789,") != std::string_view::npos) {
        return std::nullopt;
    }
    return xmax;
}

}  // namespace resilience::postgres
