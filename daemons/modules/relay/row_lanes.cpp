// SPDX-License-Identifier: MIT
#include <modules/relay/row_lanes.hpp>

#include <resilience/postgres/pool.hpp>

#include <string>

namespace resilience::modules::relay {

net::awaitable<Result<std::string>> check_row_lanes(postgres::Pool& pool, int lanes) {
    auto connection = co_await pool.async_acquire();
    if (!connection) co_return connection.error();
    // Both ends of an index.
    const auto rows = co_await (*connection)
                          ->async_execute(
                              "SELECT coalesce(min(lane), 0), coalesce(max(lane), 0) "
                              "FROM outbox_events"
                          );
    if (!rows) co_return rows.error();
    const auto first = (*rows)[0].int64(0);
    if (!first) co_return first.error();
    const auto last = (*rows)[0].int64(1);
    if (!last) co_return last.error();
    if (*first >= 0 && *last < lanes) co_return std::string{};
    co_return "RELAY_LANES: there are events in lane " +
        std::to_string(*first < 0 ? *first : *last) + ", and only lanes 0 to " +
        std::to_string(lanes - 1) +
        " are run: give relay and unified-server the same number, and have every "
        "event of a lane delivered and deleted before there are fewer";
}

net::awaitable<Result<LaneCensus>> RowCheckedOwnership::look() {
    if (!checked_) {
        const auto checked = co_await check_row_lanes(pool_, lanes_);
        if (!checked) co_return checked.error();
        if (!checked->empty()) co_return fail(Errc::invalid_request, *checked);
        checked_ = true;
    }
    auto census = co_await ownership_.look();
    co_return census;
}

}  // namespace resilience::modules::relay
