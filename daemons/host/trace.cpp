// SPDX-License-Identifier: MIT
#include "host/trace.hpp"

#include <algorithm>

namespace resilience::host {
namespace {

bool is_lower_hex(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

bool is_zero(std::string_view text) noexcept {
    return text.find_first_not_of('0') == std::string_view::npos;
}

void write_hex(char* out, std::uint64_t word) noexcept {
    for (int shift = 60; shift >= 0; shift -= 4) {
        *out++ = "0123456789abcdef"[(word >> shift) & 0x0f];
    }
}

// The trace id and the flags of a well-formed header; empty for any other.
struct Incoming {
    std::string_view trace_id, flags;
};

Incoming parse(std::string_view text) noexcept {
    if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') {
        return {};
    }
    const auto version = text.substr(0, 2);
    const auto trace_id = text.substr(3, 32);
    const auto parent = text.substr(36, 16);
    const auto flags = text.substr(53, 2);
    if (!is_lower_hex(version) || version == "ff") return {};
    // Later versions may add fields after a dash; version 00 has none.
    if (text.size() > 55 && (version == "00" || text[55] != '-')) return {};
    if (!is_lower_hex(trace_id) || is_zero(trace_id)) return {};
    if (!is_lower_hex(parent) || is_zero(parent)) return {};
    if (!is_lower_hex(flags)) return {};
    return {trace_id, flags};
}

}  // namespace

TraceContext TraceContext::continued(
    std::string_view incoming, std::array<std::uint64_t, 3> random
) noexcept {
    TraceContext context;
    context.length_ = size;
    char* out = context.text_.data();
    const auto [trace_id, flags] = parse(incoming);
    std::copy_n("00-", 3, out);
    if (!trace_id.empty()) {
        std::copy(trace_id.begin(), trace_id.end(), out + 3);
    } else {
        // An id of zeros means "none"; the least bit keeps the drawn one from being it.
        write_hex(out + 3, random[0] | 1);
        write_hex(out + 19, random[1]);
    }
    out[35] = '-';
    write_hex(out + 36, random[2] | 1);
    out[52] = '-';
    // Only the "sampled" bit is known to version 00.
    const bool sampled =
        flags.empty() || std::string_view{"13579bdf"}.find(flags[1]) != flags.npos;
    out[53] = '0';
    out[54] = sampled ? '1' : '0';
    return context;
}

bool is_request_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 64 &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
           });
}

}  // namespace resilience::host
