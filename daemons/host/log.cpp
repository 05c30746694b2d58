// SPDX-License-Identifier: MIT
#include "host/log.hpp"

#include "host/text.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <ostream>

namespace resilience::host {
namespace {

constexpr std::array<std::string_view, 4> level_names = {
    "debug", "info", "warn", "error"};
constexpr std::array<spdlog::level::level_enum, 4> spdlog_levels = {
    spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};

// Collects lines and hands them on in one write. The sink of spdlog flushes each line,
// which costs a system call for each request.
class CollectingSink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    // Null: standard output.
    explicit CollectingSink(std::ostream* stream) : stream_(stream) {}
    ~CollectingSink() override { hand_over(); }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        lines_.append(message.payload.data(), message.payload.size());
        if (lines_.size() >= most_collected) hand_over();
    }
    void flush_() override { hand_over(); }

private:
    static constexpr std::size_t most_collected = 64 * 1024;

    void hand_over() {
        if (stream_ != nullptr) {
            stream_->write(lines_.data(), static_cast<std::streamsize>(lines_.size()));
            stream_->flush();
        } else {
            std::fwrite(lines_.data(), 1, lines_.size(), stdout);
            std::fflush(stdout);
        }
        lines_.clear();
    }

    std::ostream* stream_;
    std::string lines_;
};

void append_time(std::string& out, WallClock::time_point time) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(ms);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{ms - day};
    fmt::format_to(
        std::back_inserter(out),
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()),
        static_cast<unsigned>(date.day()),
        clock.hours().count(),
        clock.minutes().count(),
        clock.seconds().count(),
        clock.subseconds().count()
    );
}

void append_value(std::string& out, const LogField& field) {
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
        append_json_string(out, *text);
    } else if (const auto* flag = std::get_if<bool>(&field.value)) {
        out += *flag ? "true" : "false";
    } else if (const auto* real = std::get_if<double>(&field.value)) {
        // JSON has no word for infinity.
        if (std::isfinite(*real)) {
            fmt::format_to(std::back_inserter(out), "{}", *real);
        } else {
            out += "null";
        }
    } else if (const auto* whole = std::get_if<std::int64_t>(&field.value)) {
        out += fmt::format_int(*whole).c_str();
    } else {
        out += fmt::format_int(std::get<std::uint64_t>(field.value)).c_str();
    }
}

}  // namespace

void write_log_line(
    std::string& out,
    WallClock::time_point time,
    LogLevel level,
    std::string_view message,
    const LogContext& context,
    std::span<const LogField> fields
) {
    out += R"({"timestamp":")";
    append_time(out, time);
    out += R"(","level":")";
    out += level_names[static_cast<std::size_t>(level)];
    out += R"(","msg":)";
    append_json_string(out, message);
    if (!context.request_id.empty()) {
        out += R"(,"request_id":)";
        append_json_string(out, context.request_id);
    }
    if (!context.trace_id.empty()) {
        out += R"(,"trace_id":)";
        append_json_string(out, context.trace_id);
    }
    for (const LogField& field : fields) {
        out += ',';
        append_json_string(out, field.key);
        out += ':';
        append_value(out, field);
    }
    out += "}\n";
}

struct Log::Impl {
    explicit Impl(std::ostream* stream)
        : logger("json", std::make_shared<CollectingSink>(stream)) {
        logger.set_level(spdlog::level::trace);
        logger.flush_on(spdlog::level::warn);
    }
    spdlog::logger logger;
};

Log::Log(LogLevel level) : level_(level), impl_(std::make_unique<Impl>(nullptr)) {}

Log::Log(LogLevel level, std::ostream& stream)
    : level_(level), impl_(std::make_unique<Impl>(&stream)) {}

Log::~Log() = default;

void Log::write(
    LogLevel level,
    std::string_view message,
    const LogContext& context,
    std::span<const LogField> fields
) {
    if (!enabled(level)) return;
    std::string line;
    line.reserve(256);
    write_log_line(line, WallClock::now(), level, message, context, fields);
    impl_->logger.log(
        spdlog_levels[static_cast<std::size_t>(level)],
        spdlog::string_view_t{line.data(), line.size()}
    );
}

void Log::flush() { impl_->logger.flush(); }

LogLevel log_level_of(std::string_view word) noexcept {
    for (std::size_t i = 0; i < level_names.size(); ++i) {
        if (level_names[i] == word) return static_cast<LogLevel>(i);
    }
    return LogLevel::info;
}

}  // namespace resilience::host
