// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_INSTRUMENTS_HPP
#define RESILIENCE_PROMETHEUS_INSTRUMENTS_HPP

#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

namespace resilience::prometheus {

namespace detail {
struct Series;
class SeriesTable;
}  // namespace detail

template <class Instrument>
class Family;

/** A number that only grows. Made by @ref Metrics::counter; copies count together.

    @par Thread safety
    Safe.

    @par Object lifetimes
    May outlive its @ref Metrics.
*/
class Counter {
public:
    /// Adds `amount`; nothing, unless it is more than zero.
    void add(double amount = 1) const noexcept;

    /// Raises it to `total`, if it is less: for what is counted elsewhere.
    void raise_to(double total) const noexcept;

private:
    friend class Family<Counter>;

    explicit Counter(std::shared_ptr<detail::Series> series) noexcept
        : series_(std::move(series)) {}

    std::shared_ptr<detail::Series> series_;
};

/** A number that goes up and down. Made by @ref Metrics::gauge; copies are the same.

    @par Thread safety
    Safe.

    @par Object lifetimes
    May outlive its @ref Metrics.
*/
class Gauge {
public:
    void set(double value) const noexcept;
    void add(double amount) const noexcept;

private:
    friend class Family<Gauge>;

    explicit Gauge(std::shared_ptr<detail::Series> series) noexcept
        : series_(std::move(series)) {}

    std::shared_ptr<detail::Series> series_;
};

/** Counts values by size. Made by @ref Metrics::histogram; copies count together.

    @par Thread safety
    Safe.

    @par Object lifetimes
    May outlive its @ref Metrics.
*/
class Histogram {
public:
    void observe(double value) const noexcept;

private:
    friend class Family<Histogram>;

    explicit Histogram(std::shared_ptr<detail::Series> series) noexcept
        : series_(std::move(series)) {}

    std::shared_ptr<detail::Series> series_;
};

/** One name of a metric, with labels.

    Bounded: once there are as many combinations of label values as it may have, every
    further one counts with `_OTHER` for all of its values, and in
    `<prefix>_label_overflows_total`. So does one with a value that is no UTF-8 or longer
    than `Registry::max_name` bytes.

    @par Thread safety
    Safe.

    @par Object lifetimes
    May outlive its @ref Metrics.
*/
template <class Instrument>
class Family {
public:
    /// The metric of these label values, in the order of the label names. Those that are
    /// missing are empty, and those that are too many do not count. Takes a lock: keep
    /// the metric where the values do not change.
    [[nodiscard]] Instrument with(std::initializer_list<std::string_view> values) const;

private:
    friend class Metrics;

    explicit Family(std::shared_ptr<detail::SeriesTable> table) noexcept
        : table_(std::move(table)) {}

    std::shared_ptr<detail::SeriesTable> table_;
};

extern template class Family<Counter>;
extern template class Family<Gauge>;
extern template class Family<Histogram>;

using CounterFamily = Family<Counter>;
using GaugeFamily = Family<Gauge>;
using HistogramFamily = Family<Histogram>;

}  // namespace resilience::prometheus

#endif
