// SPDX-License-Identifier: MIT
#include "outbox_event.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::postgres {
namespace {

// The schema keeps these columns whole numbers.
std::int64_t number(const Row& row, std::size_t column) {
    const auto value = row.int64(column);
    return value ? *value : 0;
}

std::vector<Header> read_headers(std::string_view text) {
    std::vector<Header> headers;
    boost::json::error_code error;
    const auto json = boost::json::parse(text, error);
    // A foreign writer may have stored something else; it has no names to send.
    if (error || !json.is_object()) return headers;
    for (const auto& [name, value] : json.get_object()) {
        headers.emplace_back(
            std::string{name},
            value.is_string() ? std::string{value.get_string()}
                              : boost::json::serialize(value)
        );
    }
    return headers;
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
    event.headers = read_headers(row.text(9));
    if (const auto created = row.int64(10)) {
        event.created_at = WallClock::time_point{std::chrono::microseconds{*created}};
    } else {
        claimed.defect = "created_at: is not a time from 1678 to 2261";
    }
    event.max_retries = static_cast<std::int32_t>(number(row, 11));
    return claimed;
}

}  // namespace resilience::postgres
