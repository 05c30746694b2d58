// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_RFC3339_HPP
#define RESILIENCE_DETAIL_RFC3339_HPP

#include <resilience/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::detail {

/// Writes a moment as 2026-01-31T23:59:59.123456Z: one width, so texts sort as moments
/// do. The memory of `text` is used again.
inline void write_rfc3339(WallClock::time_point time, std::string& text) {
    using namespace std::chrono;
    const auto whole = floor<microseconds>(time);
    const auto day = floor<days>(whole);
    const year_month_day date{day};
    const hh_mm_ss clock{whole - day};
    text = "0000-00-00T00:00:00.000000Z";
    const auto put = [&text](std::size_t at, std::size_t width, std::uint64_t value) {
        for (std::size_t i = width; i-- > 0; value /= 10) {
            text[at + i] = static_cast<char>('0' + value % 10);
        }
    };
    put(0, 4, static_cast<std::uint64_t>(static_cast<int>(date.year())));
    put(5, 2, static_cast<unsigned>(date.month()));
    put(8, 2, static_cast<unsigned>(date.day()));
    put(11, 2, static_cast<std::uint64_t>(clock.hours().count()));
    put(14, 2, static_cast<std::uint64_t>(clock.minutes().count()));
    put(17, 2, static_cast<std::uint64_t>(clock.seconds().count()));
    put(20, 6, static_cast<std::uint64_t>(clock.subseconds().count()));
}

/// As @ref write_rfc3339, into a text of its own.
inline std::string format_rfc3339(WallClock::time_point time) {
    std::string text;
    write_rfc3339(time, text);
    return text;
}

/// Reads what @ref format_rfc3339 writes, with no fraction or one of 1 to 9 digits.
/// Nothing else is a moment here; digits below the clock's precision are dropped.
inline std::optional<WallClock::time_point> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    constexpr std::string_view shape = "0000-00-00T00:00:00";
    if (text.size() <= shape.size() || text.back() != 'Z') return std::nullopt;
    const auto digit = [&text](std::size_t at) {
        return text[at] >= '0' && text[at] <= '9';
    };
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == '0' ? !digit(i) : text[i] != shape[i]) return std::nullopt;
    }
    const auto number = [&text](std::size_t at, std::size_t width) {
        int value = 0;
        for (std::size_t i = at; i < at + width; ++i)
            value = value * 10 + (text[i] - '0');
        return value;
    };
    nanoseconds fraction{0};
    if (text[shape.size()] == '.') {
        const std::size_t first = shape.size() + 1;
        const std::size_t end = text.size() - 1;
        if (end == first || end - first > 9) return std::nullopt;
        nanoseconds unit{100'000'000};
        for (std::size_t i = first; i < end; ++i, unit /= 10) {
            if (!digit(i)) return std::nullopt;
            fraction += unit * (text[i] - '0');
        }
    } else if (text.size() != shape.size() + 1) {
        return std::nullopt;
    }
    const year_month_day date{
        year{number(0, 4)},
        month{static_cast<unsigned>(number(5, 2))},
        day{static_cast<unsigned>(number(8, 2))}};
    const int hour = number(11, 2);
    const int minute = number(14, 2);
    const int second = number(17, 2);
    if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
    // The clock counts nanoseconds in 64 bits, which end in these years.
    if (number(0, 4) < 1678 || number(0, 4) > 2261) return std::nullopt;
    return sys_days{date} + hours{hour} + minutes{minute} + seconds{second} +
           duration_cast<WallClock::duration>(fraction);
}

}  // namespace resilience::detail

#endif
