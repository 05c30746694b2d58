// SPDX-License-Identifier: MIT
#include <resilience/prometheus/requests.hpp>

#include "prometheus/request_counters.hpp"

#include <algorithm>

namespace resilience::prometheus {

void Requests::record(Verdict verdict, std::chrono::nanoseconds took) const noexcept {
    counters_->record(verdict, took);
}

namespace detail {

void RequestCounters::record(Verdict verdict, std::chrono::nanoseconds took) noexcept {
    took = std::max(took, std::chrono::nanoseconds{0});
    const auto bound = std::lower_bound(bounds_->begin(), bounds_->end(), took);
    bank_.add(static_cast<std::size_t>(bound - bounds_->begin()));
    bank_.add(kTook, took.count());
    for (std::size_t i = 0; i < error_kinds.size(); ++i) {
        if (error_kinds[i].verdict == verdict) bank_.add(kErrors + i);
    }
}

}  // namespace detail
}  // namespace resilience::prometheus
