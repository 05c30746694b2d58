// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_EXPOSITION_HPP
#define RESILIENCE_SRC_PROMETHEUS_EXPOSITION_HPP

#include <resilience/prometheus/profile.hpp>

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::prometheus::detail {

/// One answer to a scrape: families by name, each series once.
class Exposition {
public:
    using Labels = std::vector<::prometheus::ClientMetric::Label>;

    /// What becomes of a series that is there already.
    enum class Again { keep_first, merge };

    /// @param profile Outlives this object.
    explicit Exposition(const Profile& profile) noexcept : profile_(profile) {}

    /** Adds a number: a counter if its name ends in `_total`, else a gauge. Merged
        counters are added up, of merged gauges the largest stays.

        @param name Without the prefix, before the profile's replacements.
        @return False if Prometheus does not take the name, or if a family of another type
            has it.
    */
    bool number(
        std::string_view name,
        const std::string& help,
        Labels labels,
        double value,
        Again again = Again::keep_first
    );

    /// Adds a histogram. False as above.
    bool histogram(
        std::string_view name,
        const std::string& help,
        Labels labels,
        ::prometheus::ClientMetric::Histogram value
    );

    /// Adds a family of the program's own as it stands, unless it is empty or another has
    /// its name already. What comes later by its name is refused.
    void family(::prometheus::MetricFamily family);

    /// The families in the order of their names. Ends this object's use.
    std::vector<::prometheus::MetricFamily> take();

private:
    struct Family {
        ::prometheus::MetricFamily family;
        std::map<Labels, std::size_t> series;
        bool complete = false;  // takes no further series
    };

    struct Place {
        ::prometheus::ClientMetric* metric = nullptr;  // none: refused
        bool is_new = false;
    };

    Place place(
        std::string_view name,
        const std::string& help,
        ::prometheus::MetricType type,
        Labels labels
    );

    const Profile& profile_;
    std::map<std::string, Family, std::less<>> families_;
};

/// Throws `std::invalid_argument` naming the field of `profile` that Prometheus does not
/// take.
void check(const Profile& profile);

}  // namespace resilience::prometheus::detail

#endif
