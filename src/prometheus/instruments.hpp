// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_INSTRUMENTS_HPP
#define RESILIENCE_SRC_PROMETHEUS_INSTRUMENTS_HPP

#include "prometheus/exposition.hpp"
#include "prometheus/series_table.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace resilience::prometheus::detail {

/// What a program counts itself, by the name of the metric. Thread-safe.
class Instruments {
public:
    /// Most families, and most functions that are called before a scrape.
    explicit Instruments(std::size_t most_families, std::size_t most_updates) noexcept
        : most_families_(most_families), most_updates_(most_updates) {}

    /// The family of this name, which is made if there is none.
    /// @throws std::invalid_argument It exists with another type or other labels, or
    ///     Prometheus does not take it.
    /// @throws std::length_error There are too many.
    std::shared_ptr<SeriesTable> family(FamilyOptions options);

    /// @throws std::length_error There are too many.
    void on_scrape(std::function<void()> update);

    /// Calls what was given to @ref on_scrape; returns how many of them threw.
    std::uint64_t update() const;

    void show(Exposition& out) const;

    /// Times that label values found no place.
    std::uint64_t overflows() const;

private:
    using Updates = std::vector<std::shared_ptr<const std::function<void()>>>;

    const std::size_t most_families_;
    const std::size_t most_updates_;
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<SeriesTable>> families_;
    Updates updates_;
};

}  // namespace resilience::prometheus::detail

#endif
