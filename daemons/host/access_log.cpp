// SPDX-License-Identifier: MIT
#include "host/access_log.hpp"

#include <iterator>
#include <span>

namespace resilience::host {
namespace {

constexpr std::size_t longest_path = 256;

LogLevel level_of(const Route* route, const Response& response) {
    // A probe that finds a part down did its work; the change is told elsewhere, once.
    if (route != nullptr && route->doc.quiet && !response.problem) return LogLevel::debug;
    if (response.problem && response.problem->needs_operator) return LogLevel::error;
    if (response.status == 500) return LogLevel::error;
    if (response.status > 500) return LogLevel::warn;
    return route != nullptr && route->doc.quiet ? LogLevel::debug : LogLevel::info;
}

}  // namespace

void log_request(
    Log& log,
    const Request& request,
    std::string_view target,
    const Route* route,
    const Response& response,
    std::chrono::nanoseconds took
) {
    const LogLevel level = level_of(route, response);
    if (!log.enabled(level)) return;
    std::string_view path = request.raw_path();
    if (path.empty()) path = target.substr(0, target.find('?'));
    const LogField fields[] = {
        {"method", to_string(request.method)},
        {"path", path.substr(0, longest_path)},
        {"route", route != nullptr ? std::string_view{route->pattern} : "_OTHER"},
        {"status", response.status},
        {"duration_ms", std::chrono::duration<double, std::milli>(took).count()},
        {"peer", request.peer},
        {"error", response.problem ? std::string_view{response.problem->cause} : ""}};
    const bool has_cause = response.problem && !response.problem->cause.empty();
    log.write(
        level,
        "request",
        request.log_context(),
        std::span{fields}.first(std::size(fields) - (has_cause ? 0 : 1))
    );
}

}  // namespace resilience::host
