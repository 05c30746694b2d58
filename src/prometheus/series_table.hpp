// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_SERIES_TABLE_HPP
#define RESILIENCE_SRC_PROMETHEUS_SERIES_TABLE_HPP

#include "prometheus/label_set.hpp"

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::prometheus::detail {

/// What a counter, a gauge or a histogram shows.
struct Series {
    std::atomic<double> number{0};                       // of counters and gauges
    std::unique_ptr<::prometheus::Histogram> histogram;  // of histograms alone
};

/// What a family of the program's own is like.
struct FamilyOptions {
    ::prometheus::MetricType type;
    std::string name;
    std::string help;
    std::vector<std::string> labels{};
    /// Besides the one that stands for all further ones.
    std::size_t max_series = 1;
    /// Upper bounds of a histogram.
    std::vector<double> bounds{};
};

/// The series of one family, by the values of its labels. Thread-safe.
class SeriesTable {
public:
    /// @throws std::invalid_argument Names what Prometheus does not take.
    explicit SeriesTable(FamilyOptions options);

    const FamilyOptions& options() const noexcept { return options_; }

    std::shared_ptr<Series> find(std::initializer_list<std::string_view> values);

    ::prometheus::MetricFamily collect() const;

    /// Times that values found no place.
    std::uint64_t overflows() const;

private:
    std::string key_of(std::initializer_list<std::string_view> values) const;
    ::prometheus::ClientMetric shown(std::string_view key, const Series& series) const;

    const FamilyOptions options_;
    mutable std::mutex mutex_;
    LabelSet keys_;
    // By the values, a NUL behind each.
    std::map<std::string, std::shared_ptr<Series>, std::less<>> series_;
};

}  // namespace resilience::prometheus::detail

#endif
