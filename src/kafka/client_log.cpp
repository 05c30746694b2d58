// SPDX-License-Identifier: MIT
#include "kafka/client_log.hpp"

namespace resilience::kafka::detail {
namespace {

constexpr int syslog_warning = 4;
constexpr int syslog_debug = 7;

// Each start warns that this setting is experimental. The order of a key rests on it, so
// it is always on: nobody can act on the warning, and it must not pass for the reason of
// a failure that follows.
bool is_expected(std::string_view line) {
    return line.find("enable.gapless.guarantee") != line.npos &&
           line.find("experimental") != line.npos;
}

// Follows the line that tells what happened to each of them, and must not hide it.
bool is_summary(std::string_view line) {
    return line.find("brokers are down") != line.npos;
}

}  // namespace

void ClientLog::write(int severity, std::string_view line, TimePoint now) {
    if (is_expected(line)) severity = syslog_debug;
    if (severity <= syslog_warning && !is_summary(line)) {
        const std::lock_guard lock(mutex_);
        trouble_ = line;
        troubled_at_ = now;
    }
    if (hook_) hook_(severity, line);
}

std::string ClientLog::trouble_since(TimePoint since) const {
    const std::lock_guard lock(mutex_);
    return troubled_at_ >= since ? trouble_ : std::string{};
}

}  // namespace resilience::kafka::detail
