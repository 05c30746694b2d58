// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/lanes/change_lanes.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/lanes/lane_hold.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>

#include <resilience/postgres/lane_survey.hpp>
#include <resilience/postgres/outbox_window_source.hpp>

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using resilience::postgres::Connection;
using resilience::postgres::OutboxWindowSource;

constexpr std::chrono::milliseconds look_interval{50};

int read_count(const std::string& text) {
    int count = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || end != text.data() + text.size() || count < 1 ||
        count > 64) {
        throw std::invalid_argument("count: must be 1 to 64");
    }
    return count;
}

// The first number of `xmin:xmax:...`: all transactions below it are over.
std::uint64_t least_of(std::string_view snapshot) {
    std::uint64_t number = 0;
    std::from_chars(snapshot.data(), snapshot.data() + snapshot.size(), number);
    return number;
}

// What is committed, and cannot be lost, when every transaction is over that has written
// by now. One in progress need not be among those that a snapshot names: it may have a
// higher number than all that it knows of. So a transaction begun for this is awaited
// with them.
net::awaitable<Result<std::string>> quiet_snapshot(
    const Tools& tools, OutboxTable& table, OutboxWindowSource& source
) {
    const auto own = co_await table.new_number();
    if (!own) co_return own.error();
    const auto ends = Clock::now() + tools.request.patience;
    while (true) {
        const auto window = co_await source.look();
        if (!window) co_return window.error();
        if (least_of(window->snapshot) > *own) {
            const auto durable = co_await source.gate(window->insert);
            if (!durable) co_return durable.error();
            co_return window->snapshot;
        }
        if (Clock::now() >= ends) {
            co_return fail(
                Errc::unavailable,
                "transactions are in progress, " + window->snapshot +
                    ": end whoever writes to the server"
            );
        }
        net::steady_timer timer{tools.executor, look_interval};
        co_await timer.async_wait(net::use_awaitable);
    }
}

net::awaitable<Result<void>> check_delivered(
    Connection& connection,
    int lane,
    const std::optional<LanePosition>& position,
    const SourceIdentity& source
) {
    const auto name = "lane " + std::to_string(lane);
    if (position && !(position->source == source)) {
        co_return fail(
            Errc::history_changed,
            "the position of " + name + " speaks of another source: see outbox rebase"
        );
    }
    const auto backlog =
        co_await resilience::postgres::lane_backlog(connection, lane, position);
    if (!backlog) co_return backlog.error();
    if (backlog->events == 0) co_return Result<void>{};
    co_return fail(
        Errc::unavailable,
        std::to_string(backlog->events) + " events of " + name +
            " wait: let relays deliver them, then end these and try again"
    );
}

// Which version follows those of the lanes; one that was half written is completed.
std::uint32_t next_version(const LaneHold& hold, int lanes) {
    std::uint32_t least = ~std::uint32_t{0};
    std::uint32_t most = 0;
    for (int lane = 0; lane < lanes; ++lane) {
        const auto& position = hold.position(lane);
        const auto version = position ? position->map_version : 0;
        least = std::min(least, version);
        most = std::max(most, version);
    }
    return least == most ? most + 1 : most;
}

Report report_of(int before, int after, const std::string& snapshot) {
    Report report;
    report.json = {{"before", before}, {"after", after}, {"snapshot", snapshot}};
    return report;
}

}  // namespace

void declare_lanes_command(host::Config& config, Request& request) {
    config.positional("count", request.count, {}, "How many lanes there are to be");
    config.flag(
        "--yes", request.yes, "Do it; else it is only told whether it can be done"
    );
    declare_slices(config, request);
}

net::awaitable<Result<Report>> change_lanes(const Tools& tools) {
    const int before = tools.lanes.lanes;
    const int after = read_count(tools.request.count);
    if (after == before) {
        throw std::invalid_argument(
            "RELAY_LANES: is " + std::to_string(before) +
            " already; it must say how many lanes there were"
        );
    }
    const int all = std::max(before, after);
    OutboxTable table{tools};
    const auto opened = co_await table.open();
    if (!opened) co_return opened.error();
    OutboxWindowSource source{tools.executor, {.connection = tools.database}};
    const auto identity = co_await source.identity();
    if (!identity) co_return identity.error();
    if (!tools.request.yes) {
        const auto positions = co_await read_positions(tools);
        if (!positions) co_return positions.error();
        for (int lane = 0; lane < before; ++lane) {
            const auto& position = (*positions)[static_cast<std::size_t>(lane)];
            if (!position) co_return position.error();
            const auto checked =
                co_await check_delivered(table.connection(), lane, *position, *identity);
            if (!checked) co_return checked.error();
        }
        auto report = report_of(before, after, "");
        report.text = "everything is delivered; give --yes to change the lanes\n";
        report.code = something_wrong;
        co_return report;
    }
    LaneHold hold{tools};
    std::vector<int> lanes;
    for (int lane = 0; lane < all; ++lane) lanes.push_back(lane);
    const auto held = co_await hold.take(lanes);
    if (!held) co_return held.error();
    const auto snapshot = co_await quiet_snapshot(tools, table, source);
    if (!snapshot) co_return snapshot.error();
    for (int lane = 0; lane < before; ++lane) {
        const auto checked = co_await check_delivered(
            table.connection(), lane, hold.position(lane), *identity
        );
        if (!checked) co_return checked.error();
    }
    for (int lane = 0; lane < before; ++lane) {
        const auto& last = hold.position(lane);
        if (!last || last->parked.empty()) continue;
        co_return fail(
            Errc::invalid_request,
            "lane " + std::to_string(lane) + " has parked keys: unpark them first"
        );
    }
    const auto version = next_version(hold, before);
    LanePosition next{.source = *identity, .seen = *snapshot, .window = *snapshot};
    for (int lane = 0; lane < before; ++lane) {
        const auto& last = hold.position(lane);
        next.map_version = last ? last->map_version : 0;
        const auto stopped = co_await hold.commit(lane, {}, next);
        if (!stopped) co_return stopped.error();
    }
    Result<std::int64_t> moved{std::int64_t{0}};
    if (after < before) moved = co_await table.move_to_lanes(after);
    if (!moved) co_return moved.error();
    next.map_version = version;
    // New lanes first: while one of them is missing, no lane has the new version alone.
    for (auto lane = lanes.rbegin(); lane != lanes.rend(); ++lane) {
        const auto changed = co_await hold.commit(*lane, {}, next);
        if (!changed) co_return changed.error();
    }
    auto report = report_of(before, after, *snapshot);
    report.json["map_version"] = version;
    report.json["moved"] = *moved;
    report.text = fmt::format(
        "{} lanes are {} now, behind {}; {} delivered rows were moved\n"
        "start relays with RELAY_LANES={} and RELAY_MAP_VERSION={}, and whoever writes "
        "with as many lanes\n",
        before,
        after,
        *snapshot,
        *moved,
        after,
        version
    );
    co_return report;
}

}  // namespace resilience::modules::outbox_admin
