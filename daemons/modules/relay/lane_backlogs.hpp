// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_LANE_BACKLOGS_HPP
#define RESILIENCE_MODULES_RELAY_LANE_BACKLOGS_HPP

#include <resilience/lane_group.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace resilience::postgres {
class Pool;
}

namespace resilience::modules::relay {

/** How many events wait in the lanes of an instance: the metric
    `relay_lane_lag_events`.

    They are counted in the table, lane after lane, up to @ref most of each, as
    @ref postgres::recent_lane_backlog does: what that costs does not grow with the table.
    Where it fails the last number stays.

    @par Object lifetimes
    The pool must outlive it, and it must outlive `run`.
*/
class LaneBacklogs {
public:
    /// Events of a lane that are counted; shown where there are more, too.
    static constexpr std::int64_t most = 10'000;
    /// From the end of one look at the lanes to the next.
    static constexpr std::chrono::seconds interval{5};

    /// @param lanes At most 64.
    LaneBacklogs(prometheus::Metrics& metrics, postgres::Pool& pool, int lanes);

    /// Counts now and then, until it is cancelled.
    /// @param group Tells how the lanes are.
    net::awaitable<void> run(std::function<LaneGroupSnapshot()> group) const;

    /// Counts once. Lanes of others show 0, and so do those whose position is not known.
    net::awaitable<void> count(const LaneGroupSnapshot& group) const;

private:
    postgres::Pool& pool_;
    std::vector<prometheus::Gauge> lanes_;
};

}  // namespace resilience::modules::relay

#endif
