// SPDX-License-Identifier: MIT
#include <modules/relay/lane_report.hpp>

#include <host/app.hpp>
#include <modules/relay/graceful.hpp>
#include <modules/relay/parts.hpp>

#include <resilience/asio/timer.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

namespace resilience::modules::relay {
namespace {

using namespace std::chrono_literals;

constexpr auto longest_end = 2s;
constexpr auto look_interval = 20ms;

DeliveryReportOptions report_options(const RelaySettings& settings) {
    DeliveryReportOptions options;
    options.report = settings.report;
    options.retention = settings.kept_for();
    return options;
}

}  // namespace

host::PartHealth health_of(const DeliveryReportSnapshot& report) {
    if (!report.paused) return {};
    return {
        host::HealthState::degraded,
        "what was delivered cannot be shown in the table",
        report.reason};
}

ReportMetrics::ReportMetrics(prometheus::Metrics& metrics)
    : rows_(metrics.counters(
          "relay_report_rows_total",
          "Rows of delivered events by what became of them",
          {"result"}
      )),
      pauses_(metrics.counter(
          "relay_report_pauses_total", "Pauses because the table could not be written"
      )),
      recoveries_(metrics.counter(
          "relay_report_recoveries_total",
          "Times that all rows still NEW were looked at, as after a restart"
      )),
      paused_(metrics.gauge("relay_report_paused", "1 while the table cannot be written")
      ),
      behind_(metrics.gauge(
          "relay_report_behind_seconds",
          "All that was delivered longer ago is shown in the table"
      )),
      failed_(metrics.gauge(
          "relay_report_failed_rows",
          "Rows shown FAILED that RELAY_RETENTION would remove if they were not, by a "
          "look "
          "each 10 minutes"
      )) {}

void ReportMetrics::show(const DeliveryReportSnapshot& now, TimePoint time) const {
    const auto raise = [&](std::string_view result, std::uint64_t count) {
        rows_.with({result}).raise_to(static_cast<double>(count));
    };
    raise("sent", now.reported);
    raise("failed", now.failed);
    raise("removed", now.removed);
    raise("refused", now.refused);
    raise("dead_letter_dropped", now.dropped_dead_letters);
    pauses_.raise_to(static_cast<double>(now.pauses));
    recoveries_.raise_to(static_cast<double>(now.recoveries));
    paused_.set(now.paused ? 1 : 0);
    failed_.set(static_cast<double>(now.failed_rows));
    const auto since = now.behind_since.value_or(time);
    behind_.set(time > since ? std::chrono::duration<double>(time - since).count() : 0);
}

LaneReport::LaneReport(
    host::App& app,
    const RelaySettings& settings,
    const backing::DatabaseSettings& database
)
    : rows_(app.executor(), connection_options(database, "report")),
      report_(app.executor(), rows_, report_options(settings)),
      metrics_(app.metrics()) {
    app.metrics().on_scrape([this] { metrics_.show(report_.snapshot(), Clock::now()); });
    app.health().add(
        "report",
        host::Need::optional,
        [this]() -> net::awaitable<host::PartHealth> {
            co_return health_of(report_.snapshot());
        }
    );
    // The end of the lanes ends it.
    app.background("report", [this] { return run_gracefully(report_.run(), [] {}); });
}

LaneRelayObserver LaneReport::observe(int lane, LaneRelayObserver next) {
    return report_deliveries(report_, lane, std::move(next));
}

net::awaitable<void> LaneReport::follow(net::awaitable<void> lanes) {
    struct Stop {
        DeliveryReport& report;
        ~Stop() { report.stop(); }
    };
    const Stop stop{report_};
    co_await std::move(lanes);
    Timer timer(co_await net::this_coro::executor);
    const auto until = timer.now() + longest_end;
    for (;;) {
        const auto now = report_.snapshot();
        if (now.caught_up || now.paused || timer.now() >= until) co_return;
        (void
        )co_await timer.async_wait_until(timer.now() + look_interval, net::use_awaitable);
    }
}

}  // namespace resilience::modules::relay
