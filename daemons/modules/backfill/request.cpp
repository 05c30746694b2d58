// SPDX-License-Identifier: MIT
#include <modules/backfill/request.hpp>

#include <resilience/detail/rfc3339.hpp>

namespace resilience::modules::backfill {
namespace {

// Gives a moment the one width that all of them have.
bool normalise(std::string& text) {
    if (text.empty()) return true;
    const auto time = detail::parse_rfc3339(text);
    if (time) text = detail::format_rfc3339(*time);
    return time.has_value();
}

}  // namespace

std::optional<std::string> normalise(Request& request) {
    if (request.aggregate_type.empty()) return "--aggregate-type: is required";
    if (!normalise(request.from)) return "--from: must be like 2026-01-31T00:00:00Z";
    if (!normalise(request.to)) return "--to: must be like 2026-01-31T00:00:00Z";
    const bool bounded = !request.from.empty() && !request.to.empty();
    if (bounded && request.from >= request.to) return "--from: must be before --to";
    return std::nullopt;
}

std::string fingerprint(const Request& request) {
    return "aggregate-type=" + request.aggregate_type + " topic=" + request.topic +
           " from=" + request.from + " to=" + request.to +
           " limit=" + std::to_string(request.limit);
}

}  // namespace resilience::modules::backfill
