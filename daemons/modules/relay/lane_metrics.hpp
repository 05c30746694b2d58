// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_LANE_METRICS_HPP
#define RESILIENCE_MODULES_RELAY_LANE_METRICS_HPP

#include <resilience/clock.hpp>
#include <resilience/lane_group.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <vector>

namespace resilience::modules::relay {

/// Shows the lanes of an instance as metrics: `relay_members`,
/// `relay_membership_losses_total`, and `relay_lane_*` with the label `lane`, those of
/// lanes that others have included.
class LaneMetrics {
public:
    /// @param lanes At most 64.
    LaneMetrics(prometheus::Metrics& metrics, int lanes);

    void show(const LaneGroupSnapshot& group, TimePoint now) const;

private:
    struct Lane {
        prometheus::Gauge owned;
        // One for each state, in their order.
        std::vector<prometheus::Gauge> states;
        prometheus::Gauge lag;
        prometheus::Gauge window_age;
        prometheus::Gauge chunk;
        prometheus::Gauge commit;
        prometheus::Gauge gate;
        prometheus::Gauge rest;
        prometheus::Gauge parked;
        prometheus::Counter runs;
        prometheus::Counter take_overs;
        prometheus::Counter events;
        prometheus::Counter chunks;
        prometheus::Counter dead_letters;
        prometheus::Counter gates;
        prometheus::Counter pauses;
        prometheus::Counter halts;
        prometheus::Counter fences;
        prometheus::Counter aborts;
        prometheus::Counter put_offs;
        prometheus::Counter doubts;
    };

    static void show(const Lane& lane, const LaneStatus& status, TimePoint now);

    prometheus::Gauge members_;
    prometheus::Counter losses_;
    std::vector<Lane> lanes_;
};

}  // namespace resilience::modules::relay

#endif
