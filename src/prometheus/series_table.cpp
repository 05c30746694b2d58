// SPDX-License-Identifier: MIT
#include "prometheus/series_table.hpp"

#include <resilience/detail/utf8.hpp>
#include <resilience/registry.hpp>

#include <prometheus/check_names.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <utility>

namespace resilience::prometheus::detail {
namespace {

using ::prometheus::ClientMetric;
using ::prometheus::MetricFamily;
using ::prometheus::MetricType;
using resilience::detail::is_storable_text;

constexpr std::size_t kMostBounds = 64;
constexpr std::size_t kMostSeries = 10'000;

bool are_bounds(const std::vector<double>& bounds) {
    const auto falls = [](double a, double b) { return !(a < b); };
    return !bounds.empty() && bounds.size() <= kMostBounds &&
           std::all_of(
               bounds.begin(), bounds.end(), [](double b) { return std::isfinite(b); }
           ) &&
           std::adjacent_find(bounds.begin(), bounds.end(), falls) == bounds.end();
}

FamilyOptions checked(FamilyOptions options) {
    const auto require = [&](bool good, const char* rule) {
        if (!good) throw std::invalid_argument{"metric " + options.name + ": " + rule};
    };
    require(
        !options.name.empty() && ::prometheus::CheckMetricName(options.name),
        "the name must be one that Prometheus takes"
    );
    require(
        is_storable_text(options.help) && options.help.find('\n') == std::string::npos,
        "the help must be one line of UTF-8"
    );
    const bool histogram = options.type == MetricType::Histogram;
    std::set<std::string_view> seen;
    for (const std::string& label : options.labels) {
        require(
            !label.empty() && ::prometheus::CheckLabelName(label) &&
                !(histogram && label == "le") && seen.insert(label).second,
            "the labels must be different ones that Prometheus takes"
        );
    }
    require(
        options.max_series >= 1 && options.max_series <= kMostSeries,
        "max_series must be 1 to 10000"
    );
    require(
        !histogram || are_bounds(options.bounds),
        "the bounds must be 1 to 64, finite, and ascend"
    );
    return options;
}

/// The key of the series for all that has no place.
std::string other_key(const FamilyOptions& options) {
    std::string key;
    for (std::size_t i = 0; i < options.labels.size(); ++i) {
        key += other_value;
        key += '\0';
    }
    return key;
}

std::shared_ptr<Series> make_series(const FamilyOptions& options) {
    auto series = std::make_shared<Series>();
    if (options.type == MetricType::Histogram) {
        series->histogram = std::make_unique<::prometheus::Histogram>(options.bounds);
    }
    return series;
}

}  // namespace

SeriesTable::SeriesTable(FamilyOptions options)
    : options_{checked(std::move(options))},
      keys_{options_.max_series, other_key(options_)} {}

// Empty if a value is none that a label may have.
std::string SeriesTable::key_of(std::initializer_list<std::string_view> values) const {
    std::string key;
    auto value = values.begin();
    for (std::size_t i = 0; i < options_.labels.size(); ++i) {
        if (value != values.end()) {
            if (value->size() > Registry::max_name || !is_storable_text(*value))
                return {};
            key += *value++;
        }
        key += '\0';
    }
    return key;
}

std::shared_ptr<Series> SeriesTable::find(std::initializer_list<std::string_view> values
) {
    const std::string key = key_of(values);
    const bool usable = !key.empty() || options_.labels.empty();
    const std::lock_guard lock{mutex_};
    if (const auto found = series_.find(key); found != series_.end()) {
        return found->second;
    }
    const std::string& place = usable ? keys_.place(key) : keys_.overflow();
    if (const auto found = series_.find(place); found != series_.end()) {
        return found->second;
    }
    return series_.emplace(place, make_series(options_)).first->second;
}

ClientMetric SeriesTable::shown(std::string_view key, const Series& series) const {
    ClientMetric metric;
    if (series.histogram) metric = series.histogram->Collect();
    const double number = series.number.load(std::memory_order_relaxed);
    if (options_.type == MetricType::Counter) metric.counter.value = number;
    if (options_.type == MetricType::Gauge) metric.gauge.value = number;
    for (const std::string& label : options_.labels) {
        const auto end = key.find('\0');
        metric.label.push_back({label, std::string{key.substr(0, end)}});
        key.remove_prefix(end + 1);
    }
    return metric;
}

MetricFamily SeriesTable::collect() const {
    MetricFamily family{
        .name = options_.name,
        .help = options_.help,
        .type = options_.type,
        .metric = {}};
    const std::lock_guard lock{mutex_};
    for (const auto& [key, series] : series_) {
        family.metric.push_back(shown(key, *series));
    }
    return family;
}

std::uint64_t SeriesTable::overflows() const {
    const std::lock_guard lock{mutex_};
    return keys_.overflows();
}

}  // namespace resilience::prometheus::detail
