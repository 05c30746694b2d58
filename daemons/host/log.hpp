// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_LOG_HPP
#define RESILIENCE_HOST_LOG_HPP

#include "host/trace.hpp"

#include <resilience/clock.hpp>

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace resilience::host {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

/// A named value of a log line. Views: it must not outlive what it was made of.
struct LogField {
    std::string_view key;
    std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

    LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
    LogField(std::string_view k, const char* v) : key(k), value(std::string_view{v}) {}
    LogField(std::string_view k, const std::string& v)
        : key(k), value(std::string_view{v}) {}
    LogField(std::string_view k, bool v) : key(k), value(v) {}
    LogField(std::string_view k, std::floating_point auto v)
        : key(k), value(static_cast<double>(v)) {}
    LogField(std::string_view k, std::signed_integral auto v)
        : key(k), value(static_cast<std::int64_t>(v)) {}
    LogField(std::string_view k, std::unsigned_integral auto v)
        : key(k), value(static_cast<std::uint64_t>(v)) {}
};

using LogFields = std::initializer_list<LogField>;

/** Appends one line: a JSON object, then a newline.

    Always valid JSON in UTF-8 on one line, whatever the texts hold: control characters
   are escaped, and bytes that are no UTF-8 become U+FFFD. Pure.
*/
void write_log_line(
    std::string& out,
    WallClock::time_point time,
    LogLevel level,
    std::string_view message,
    const LogContext& context,
    std::span<const LogField> fields
);

/** Writes log lines of JSON to standard output.

    Lines are collected and written every quarter second by the App, and at once from
    `warn` on.

    @par Thread safety
    Safe.
*/
class Log {
public:
    explicit Log(LogLevel level = LogLevel::info);
    /// Writes to a stream instead; it must outlive the log.
    Log(LogLevel level, std::ostream& stream);
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    bool enabled(LogLevel level) const noexcept { return level >= level_; }

    void write(
        LogLevel level,
        std::string_view message,
        const LogContext& context,
        std::span<const LogField> fields
    );

    void debug(std::string_view message, LogFields fields = {}) {
        write(LogLevel::debug, message, {}, fields);
    }
    void info(std::string_view message, LogFields fields = {}) {
        write(LogLevel::info, message, {}, fields);
    }
    void warn(std::string_view message, LogFields fields = {}) {
        write(LogLevel::warn, message, {}, fields);
    }
    void error(std::string_view message, LogFields fields = {}) {
        write(LogLevel::error, message, {}, fields);
    }
    void debug(std::string_view message, const LogContext& c, LogFields fields = {}) {
        write(LogLevel::debug, message, c, fields);
    }
    void info(std::string_view message, const LogContext& c, LogFields fields = {}) {
        write(LogLevel::info, message, c, fields);
    }
    void warn(std::string_view message, const LogContext& c, LogFields fields = {}) {
        write(LogLevel::warn, message, c, fields);
    }
    void error(std::string_view message, const LogContext& c, LogFields fields = {}) {
        write(LogLevel::error, message, c, fields);
    }

    /// Hands all collected lines to the system.
    void flush();

private:
    struct Impl;
    LogLevel level_;
    std::unique_ptr<Impl> impl_;
};

/// Reads `debug`, `info`, `warn` or `error`; anything else is `info`.
LogLevel log_level_of(std::string_view word) noexcept;

}  // namespace resilience::host

#endif
