// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_METRICS_HPP
#define RESILIENCE_HOST_METRICS_HPP

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace resilience::host {

/// A number that only grows. A handle: copies count together. Safe from any thread.
class Counter {
public:
    void add(double amount = 1) const noexcept;

private:
    friend class Metrics;
    template <class>
    friend class Family;
    explicit Counter(prometheus::Counter& metric) : metric_(&metric) {}
    prometheus::Counter* metric_;
};

/// A number that goes up and down. A handle. Safe from any thread.
class Gauge {
public:
    void set(double value) const noexcept;
    void add(double amount) const noexcept;

private:
    friend class Metrics;
    template <class>
    friend class Family;
    explicit Gauge(prometheus::Gauge& metric) : metric_(&metric) {}
    prometheus::Gauge* metric_;
};

/// Counts observations by size. A handle. Safe from any thread.
class Histogram {
public:
    void observe(double value) const noexcept;

private:
    friend class Metrics;
    template <class>
    friend class Family;
    explicit Histogram(prometheus::Histogram& metric) : metric_(&metric) {}
    prometheus::Histogram* metric_;
};

/** One metric name with labels.

    Bounded: past the cap, every further combination of label values is counted under
    `_OTHER`. A handle. Safe from any thread.
*/
template <class Metric>
class Family {
public:
    /// The metric of these label values, in the order of the label names; too few count
    /// as empty. Keep the handle where the values do not change.
    Metric with(std::initializer_list<std::string_view> values) const;

    /// How many series there are.
    std::size_t size() const;

private:
    friend class Metrics;
    struct Impl;
    explicit Family(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
    std::shared_ptr<Impl> impl_;
};

using CounterFamily = Family<Counter>;
using GaugeFamily = Family<Gauge>;
using HistogramFamily = Family<Histogram>;

/// The bounds of durations in seconds that OpenTelemetry's HTTP conventions give.
std::vector<double> duration_bounds();

/** The metrics of a process.

    @par Errors
    A name or label that Prometheus does not take throws `std::invalid_argument` from the
    function that makes the metric; asking again for a metric gives the same one.

    @par Thread safety
    Safe.
*/
class Metrics {
public:
    /// Most series of one name unless told otherwise.
    static constexpr std::size_t default_cap = 100;

    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    Counter counter(std::string name, std::string help);
    Gauge gauge(std::string name, std::string help);
    Histogram histogram(
        std::string name, std::string help, std::vector<double> bounds = duration_bounds()
    );

    CounterFamily counters(
        std::string name,
        std::string help,
        std::vector<std::string> labels,
        std::size_t cap = default_cap
    );
    GaugeFamily gauges(
        std::string name,
        std::string help,
        std::vector<std::string> labels,
        std::size_t cap = default_cap
    );
    HistogramFamily histograms(
        std::string name,
        std::string help,
        std::vector<std::string> labels,
        std::vector<double> bounds = duration_bounds(),
        std::size_t cap = default_cap
    );

    /// Calls `update` before each scrape, to set gauges from what they measure.
    void on_scrape(std::function<void()> update);

    /// The text exposition format.
    std::string serialize() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::host

#endif
