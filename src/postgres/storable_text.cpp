// SPDX-License-Identifier: MIT
#include "storable_text.hpp"

#include <resilience/detail/utf8.hpp>

#include <cstddef>

namespace resilience::postgres {
namespace {

constexpr std::size_t longest_error = 4096;

}  // namespace

std::string storable(std::string text) {
    if (text.size() > longest_error) {
        text.resize(longest_error);
        for (int i = 0; i < 3 && !resilience::detail::is_storable_text(text); ++i) {
            text.pop_back();
        }
    }
    if (resilience::detail::is_storable_text(text)) return text;
    for (char& c : text) {
        if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
    return text;
}

}  // namespace resilience::postgres
