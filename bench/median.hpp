// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_MEDIAN_HPP
#define RESILIENCE_BENCH_MEDIAN_HPP

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

namespace resilience::bench {

/// The value below which the given share of `values` lies.
/// @throws std::invalid_argument There are none: the benchmark was asked for too little.
inline double quantile(std::vector<double> values, double share) {
    if (values.empty()) {
        throw std::invalid_argument("nothing was measured; ask for a longer run");
    }
    std::sort(values.begin(), values.end());
    const auto last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(share * last + 0.5)];
}

inline double median(std::vector<double> values) {
    return quantile(std::move(values), 0.5);
}

}  // namespace resilience::bench

#endif
