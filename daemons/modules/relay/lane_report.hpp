// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_LANE_REPORT_HPP
#define RESILIENCE_MODULES_RELAY_LANE_REPORT_HPP

#include <host/health.hpp>
#include <modules/relay/settings.hpp>

#include <resilience/clock.hpp>
#include <resilience/delivery_report.hpp>
#include <resilience/lane_relay.hpp>
#include <resilience/postgres/outbox_delivered_rows.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <boost/asio/awaitable.hpp>

namespace resilience::host {
class App;
}

namespace resilience::modules::backing {
struct DatabaseSettings;
}

namespace resilience::modules::relay {

/// How a report is, as a part of a program: degraded while it is paused, and never down,
/// as nothing that is delivered waits for it.
host::PartHealth health_of(const DeliveryReportSnapshot& report);

/// Shows a report as the metrics `relay_report_*`.
class ReportMetrics {
public:
    explicit ReportMetrics(prometheus::Metrics& metrics);

    void show(const DeliveryReportSnapshot& now, TimePoint time) const;

private:
    prometheus::CounterFamily rows_;
    prometheus::Counter pauses_;
    prometheus::Counter recoveries_;
    prometheus::Gauge paused_;
    prometheus::Gauge behind_;
    prometheus::Gauge failed_;
};

/** What an instance says in the table of what its lanes delivered, as part of a program.

    Adds the report as background work, its metrics, and the health part `report`. It has
    one connection of its own.

    @par Object lifetimes
    Must outlive the lanes that it observes, and `App::run`.
*/
class LaneReport {
public:
    LaneReport(
        host::App& app,
        const RelaySettings& settings,
        const backing::DatabaseSettings& database
    );

    /// Whether the settings ask for any of it.
    static bool is_wanted(const RelaySettings& settings) {
        return settings.report || settings.kept_for().has_value();
    }

    LaneRelayObserver observe(int lane, LaneRelayObserver next);

    /** Runs the lanes to their end, and lets the report end behind them: as soon as it
        has caught up, and after 2 s in any case. What is left then is found by whoever
        has the lanes next.
    */
    net::awaitable<void> follow(net::awaitable<void> lanes);

private:
    postgres::OutboxDeliveredRows rows_;
    DeliveryReport report_;
    ReportMetrics metrics_;
};

}  // namespace resilience::modules::relay

#endif
