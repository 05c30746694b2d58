// SPDX-License-Identifier: MIT
#include "timestamp.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace resilience::postgres {

std::string to_timestamp(WallClock::time_point time) {
    using namespace std::chrono;
    const auto micros = floor<microseconds>(time);
    const auto day = floor<days>(micros);
    const year_month_day date{day};
    const hh_mm_ss clock{micros - day};
    // Years before 1 are written with BC; no event is from then.
    std::array<char, 64> text{};
    std::snprintf(
        text.data(),
        text.size(),
        "%04d-%02u-%02u %02d:%02d:%02d.%06d+00",
        static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()),
        static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()),
        static_cast<int>(clock.subseconds().count())
    );
    return text.data();
}

}  // namespace resilience::postgres
