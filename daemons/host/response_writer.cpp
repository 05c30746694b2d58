// SPDX-License-Identifier: MIT
#include "host/response_writer.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>

namespace resilience::host {
namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out += name;
    out += ": ";
    const std::size_t start = out.size();
    out += value;
    // A line break here would let a value write header fields of its own.
    for (std::size_t i = start; i < out.size(); ++i) {
        const auto c = static_cast<unsigned char>(out[i]);
        if ((c < 0x20 && c != '\t') || c == 0x7f) out[i] = ' ';
    }
    out += "\r\n";
}

}  // namespace

void write_response(
    std::string& out, const Response& response, const ResponseFrame& frame
) {
    const bool bodiless =
        response.status < 200 || response.status == 204 || response.status == 304;
    out += frame.http_1_1 ? "HTTP/1.1 " : "HTTP/1.0 ";
    out += fmt::format_int(response.status).c_str();
    out += ' ';
    out += reason_phrase(response.status);
    out += "\r\n";
    append_field(out, "Server", frame.server);
    append_field(out, "Date", frame.date);
    if (!bodiless) {
        append_field(out, "Content-Type", response.content_type);
        append_field(
            out, "Content-Length", fmt::format_int(response.body.size()).c_str()
        );
    }
    append_field(out, "X-Request-Id", frame.request_id);
    append_field(out, "traceparent", frame.traceparent);
    for (const auto& [name, value] : response.headers) append_field(out, name, value);
    if (!frame.keep_alive) {
        out += "Connection: close\r\n";
    } else if (!frame.http_1_1) {
        out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
    if (!bodiless && !frame.without_body) out += response.body;
}

std::string_view HttpDate::at(WallClock::time_point now) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (second == second_) return text_;
    constexpr std::array<std::string_view, 7> days = {
        "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<std::string_view, 12> months = {
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{second - day};
    text_ = fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        days[std::chrono::weekday{day}.c_encoding()],
        static_cast<unsigned>(date.day()),
        months[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()),
        clock.hours().count(),
        clock.minutes().count(),
        clock.seconds().count()
    );
    second_ = second;
    return text_;
}

}  // namespace resilience::host
