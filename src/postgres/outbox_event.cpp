// SPDX-License-Identifier: MIT
#include "outbox_event.hpp"

#include <resilience/detail/header_json.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::postgres {
namespace {

// The schema keeps these columns whole numbers.
std::int64_t number(const Row& row, std::size_t column) {
    const auto value = row.int64(column);
    return value ? *value : 0;
}

// A time as the server sends it: eight bytes in hexadecimal, the microseconds since 2000.
// None when the clock of the program, which counts nanoseconds in 64 bits, does not reach
// it; infinite ones are the least and the greatest number.
std::optional<WallClock::time_point> read_time(std::string_view text) {
    using namespace std::chrono;
    std::uint64_t bits = 0;
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, bits, 16);
    if (text.size() != 16 || read.ec != std::errc{} || read.ptr != end) {
        return std::nullopt;
    }
    constexpr sys_days epoch{year{2000} / 1 / 1};
    constexpr auto first = sys_time<microseconds>{sys_days{year{1678} / 1 / 1}} - epoch;
    constexpr auto behind = sys_time<microseconds>{sys_days{year{2262} / 1 / 1}} - epoch;
    const microseconds since{static_cast<std::int64_t>(bits)};
    if (since < first || since >= behind) return std::nullopt;
    return WallClock::time_point{epoch.time_since_epoch() + since};
}

}  // namespace

ClaimedEvent read_event(const Row& row) {
    ClaimedEvent claimed;
    claimed.seq = number(row, 0);
    claimed.retry_count = static_cast<std::int32_t>(number(row, 1));
    auto& event = claimed.event;
    event.id = row.text(2);
    event.aggregate_type = row.text(3);
    event.aggregate_id = row.text(4);
    event.event_type = row.text(5);
    event.event_data = row.text(6);
    event.topic = row.text(7);
    if (!row.is_null(8)) event.partition_key = std::string{row.text(8)};
    event.headers = resilience::detail::read_headers(row.text(9));
    event.created_at = read_time(row.text(10));
    if (!event.created_at) {
        claimed.defect = "created_at: is not a time from 1678 to 2261";
    }
    event.max_retries = static_cast<std::int32_t>(number(row, 11));
    return claimed;
}

}  // namespace resilience::postgres
