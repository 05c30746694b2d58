// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_DELIVERY_REPORT_SETTINGS_HPP
#define RESILIENCE_SRC_OUTBOX_DELIVERY_REPORT_SETTINGS_HPP

#include <resilience/delivery_report.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

namespace resilience::detail {

/// @throws std::invalid_argument Names the option that is out of range.
inline DeliveryReportOptions checked(DeliveryReportOptions options) {
    using std::chrono::milliseconds;
    const auto require = [](bool holds, const char* what) {
        if (!holds)
            throw std::invalid_argument(std::string{"DeliveryReportOptions::"} + what);
    };
    const auto age = options.retention.value_or(milliseconds{0});
    require(
        age >= milliseconds{0} && age <= std::chrono::years{100},
        "retention must be 0 to 100 years"
    );
    require(options.batch >= 1 && options.batch <= 5000, "batch must be 1 to 5000");
    require(
        options.removal_batch >= 1 && options.removal_batch <= 5000,
        "removal_batch must be 1 to 5000"
    );
    require(options.rows_per_second >= 1, "rows_per_second must be at least 1");
    require(options.removals_per_second >= 1, "removals_per_second must be at least 1");
    require(
        options.busy_percent >= 1 && options.busy_percent <= 100,
        "busy_percent must be 1 to 100"
    );
    require(options.interval >= milliseconds{1}, "interval must be at least 1 ms");
    require(
        options.sweep_interval >= milliseconds{1}, "sweep_interval must be at least 1 ms"
    );
    require(
        options.full_sweep_interval >= milliseconds{1},
        "full_sweep_interval must be at least 1 ms"
    );
    require(
        options.max_dead_letters >= 1 && options.max_dead_letters <= 1'000'000,
        "max_dead_letters must be 1 to 1000000"
    );
    require(
        options.max_lanes >= 1 && options.max_lanes <= 32'768,
        "max_lanes must be 1 to 32768"
    );
    return options;
}

}  // namespace resilience::detail

#endif
