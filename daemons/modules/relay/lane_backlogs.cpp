// SPDX-License-Identifier: MIT
#include <modules/relay/lane_backlogs.hpp>

#include <resilience/asio/timer.hpp>
#include <resilience/postgres/lane_survey.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <utility>

namespace resilience::modules::relay {

LaneBacklogs::LaneBacklogs(prometheus::Metrics& metrics, postgres::Pool& pool, int lanes)
    : pool_(pool) {
    const auto events = metrics.gauges(
        "relay_lane_lag_events",
        "Committed events that are not delivered; 10000 stands for as many or more, 0 "
        "for "
        "lanes of others",
        {"lane"}
    );
    for (int lane = 0; lane < lanes; ++lane) {
        lanes_.push_back(events.with({std::to_string(lane)}));
    }
}

net::awaitable<void> LaneBacklogs::run(std::function<LaneGroupSnapshot()> group) const {
    Timer timer(co_await net::this_coro::executor);
    for (;;) {
        const auto now = group();
        co_await count(now);
        const auto waited =
            co_await timer.async_wait_until(timer.now() + interval, net::use_awaitable);
        if (!waited) co_return;
    }
}

net::awaitable<void> LaneBacklogs::count(const LaneGroupSnapshot& group) const {
    for (std::size_t lane = 0; lane < lanes_.size() && lane < group.lanes.size();
         ++lane) {
        const auto& status = group.lanes[lane];
        // A position is found by taking the lane over.
        if (!status.owned || status.relay.position.source == SourceIdentity{}) {
            lanes_[lane].set(0);
            continue;
        }
        auto connection = co_await pool_.async_acquire(net::use_awaitable);
        if (!connection) co_return;
        const auto waiting = co_await postgres::recent_lane_backlog(
            **connection, static_cast<int>(lane), status.relay.position, most
        );
        if (waiting) lanes_[lane].set(static_cast<double>(waiting->events));
    }
}

}  // namespace resilience::modules::relay
