// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_PROMETHEUS_EXPOSED_HPP
#define RESILIENCE_TESTS_UNIT_PROMETHEUS_EXPOSED_HPP

#include <resilience/prometheus/metrics.hpp>

#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>

namespace resilience::prometheus {

/// What a scrape shows for a series, such as `up{job="x"}`; "none" if nothing.
inline std::string exposed(const Metrics& metrics, std::string_view series) {
    std::istringstream text{metrics.serialize()};
    for (std::string line; std::getline(text, line);) {
        if (line.size() > series.size() && line.starts_with(series) &&
            line[series.size()] == ' ') {
            return line.substr(series.size() + 1);
        }
    }
    return "none";
}

/// How many series a scrape shows of a family.
inline std::size_t series_of(const Metrics& metrics, std::string_view family) {
    std::istringstream text{metrics.serialize()};
    std::size_t count = 0;
    for (std::string line; std::getline(text, line);) {
        count += line.starts_with(std::string{family} + '{');
    }
    return count;
}

}  // namespace resilience::prometheus

#endif
