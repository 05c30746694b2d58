// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_METRICS_HPP
#define RESILIENCE_PROMETHEUS_METRICS_HPP

#include <resilience/prometheus/observer.hpp>
#include <resilience/prometheus/profile.hpp>
#include <resilience/prometheus/requests.hpp>
#include <resilience/registry.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::prometheus {

namespace detail {
struct MetricsAccess;
}

/// Settings of @ref Metrics.
struct MetricsOptions {
    /// How metrics are called.
    Profile profile{};

    /// Most values of the label @ref Profile::label, besides `other`, which stands for
    /// all further names. 1 to 10,000; default 100.
    std::size_t max_names = 100;

    /// Upper bounds, in seconds, between which durations of requests are told apart.
    /// Ascending, positive, at most a day; 1 to 64 of them. Default: those that
    /// OpenTelemetry's HTTP conventions give.
    std::vector<double> duration_bounds{
        .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
};

/** The metrics of a program's policies, for Prometheus.

    Events are counted by observers, which are handed to policies; how policies stand is
    read from a @ref Registry at each scrape; requests are counted where they are made.
   All of them share a bounded set of names, first come, first kept: a name that finds no
    place counts as `other`, and `<prefix>_label_overflows_total` tells how often that
    happened. In `other`, counters are added up, and of gauges the largest is shown.

    Readings become gauges called `<prefix>_<kind>_<reading>`, or counters if the name
   ends in `_total`. Where an observer counts what a reading tells, the reading is shown.

    Copies are handles of the same metrics.

    @par Thread safety
    Safe.

    @par Example
    @code
    prometheus::Metrics metrics;
    CircuitBreaker breaker{{}, metrics.observer("mail")};
    ...
    answer(200, prometheus::Metrics::content_type, metrics.serialize());
    @endcode
*/
class Metrics {
public:
    /// The type of what @ref serialize returns.
    static constexpr const char* content_type = "text/plain; version=0.0.4";

    /// Most registries.
    static constexpr std::size_t max_registries = 64;

    /// @throws std::invalid_argument Names the field that is out of range, or is not what
    ///     Prometheus takes.
    explicit Metrics(const MetricsOptions& options = {});

    /// An observer that counts under this name. Those of one name count together.
    /// @throws std::invalid_argument The name is empty, longer than `Registry::max_name`,
    ///     or no UTF-8.
    [[nodiscard]] Observer observer(std::string_view name);

    /// Counts requests under this name. Those of one name count together.
    /// @throws std::invalid_argument As @ref observer.
    [[nodiscard]] Requests requests(std::string_view name);

    /// Reads the policies of `registry` at each scrape, for as long as it lives.
    /// @throws std::length_error There are @ref max_registries already.
    void collect(std::weak_ptr<const Registry> registry);

    /// The text exposition format of all that there is.
    [[nodiscard]] std::string serialize() const;

private:
    friend detail::MetricsAccess;

    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience::prometheus

#endif
