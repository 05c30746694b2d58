// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_METRICS_HPP
#define RESILIENCE_PROMETHEUS_METRICS_HPP

#include <resilience/prometheus/instruments.hpp>
#include <resilience/prometheus/observer.hpp>
#include <resilience/prometheus/profile.hpp>
#include <resilience/prometheus/requests.hpp>
#include <resilience/registry.hpp>

#include <cstddef>
#include <functional>
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

    /// Most values of the label @ref Profile::label, besides `_OTHER`, which stands
    /// for all further names. 1 to 10,000; default 100.
    std::size_t max_names = 100;

    /// Upper bounds, in seconds, between which durations of requests are told apart, and
    /// what histograms count unless they have bounds of their own. Ascending, positive,
    /// at most a day; 1 to 64 of them. Default: those that OpenTelemetry's HTTP
    /// conventions give.
    std::vector<double> duration_bounds{
        .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
};

/** The metrics of a program and its policies, for Prometheus.

    Events are counted by observers, which are handed to policies; how policies stand is
    read from a @ref Registry at each scrape; requests are counted where they are made.
   All of them share a bounded set of names, first come, first kept: a name that finds no
    place counts as `_OTHER`, and `<prefix>_label_overflows_total` tells how often that
    happened. In `_OTHER`, counters are added up, and of gauges the largest is shown.

    Readings become gauges called `<prefix>_<kind>_<reading>`, or counters if the name
   ends in `_total`. Where an observer counts what a reading tells, the reading is shown.

    What else a program counts it counts with instruments: @ref counter, @ref gauge,
    @ref histogram and, with labels, @ref counters, @ref gauges, @ref histograms. Their
    names stand as they are, without the prefix; asked for again, the same instruments are
    given, with the help, bounds and number of series that were given first. Where one has
    the name of what a policy shows, the instrument is shown, and the policy's counts as
    an error of the scrape.

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
    static constexpr const char* content_type =
        "text/plain; version=0.0.4; charset=utf-8";

    /// Most registries.
    static constexpr std::size_t max_registries = 64;

    /// Most names of instruments.
    static constexpr std::size_t max_families = 1000;

    /// Most functions that @ref on_scrape takes.
    static constexpr std::size_t max_updates = 64;

    /// Most series of one name, besides `_OTHER`, unless told otherwise.
    static constexpr std::size_t default_series = 100;

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

    /// @name Instruments of the program's own.
    /// @param help One line of UTF-8, for people.
    /// @param labels Names that differ; see @ref Family::with.
    /// @param max_series Most combinations of label values, besides `_OTHER`. 1 to
    /// 10,000.
    /// @param bounds Upper bounds between which values are told apart: 1 to 64, finite,
    ///     ascending. None: `MetricsOptions::duration_bounds`.
    /// @throws std::invalid_argument Prometheus does not take the name or a label,
    ///     something is out of range, or there is such a name with another type or other
    ///     labels.
    /// @throws std::length_error There are @ref max_families already.
    /// @{
    [[nodiscard]] Counter counter(std::string name, std::string help);
    [[nodiscard]] Gauge gauge(std::string name, std::string help);
    [[nodiscard]] Histogram histogram(
        std::string name, std::string help, std::vector<double> bounds = {}
    );
    [[nodiscard]] CounterFamily counters(
        std::string name,
        std::string help,
        std::vector<std::string> labels,
        std::size_t max_series = default_series
    );
    [[nodiscard]] GaugeFamily gauges(
        std::string name,
        std::string help,
        std::vector<std::string> labels,
        std::size_t max_series = default_series
    );
    [[nodiscard]] HistogramFamily histograms(
        std::string name,
        std::string help,
        std::vector<std::string> labels,
        std::vector<double> bounds = {},
        std::size_t max_series = default_series
    );
    /// @}

    /** Calls `update()` at the begin of each scrape, for instruments that show what is
        measured elsewhere.

        What it throws counts as an error of the scrape, which goes on. It is called
        without a lock, by several threads at once if they scrape at once. What it uses
        must live as long as anybody scrapes; instruments that it holds are no trouble.

        @throws std::length_error There are @ref max_updates already.
    */
    void on_scrape(std::function<void()> update);

    /// The text exposition format of all that there is.
    [[nodiscard]] std::string serialize() const;

private:
    friend detail::MetricsAccess;

    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience::prometheus

#endif
