// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_COLLECTABLE_HPP
#define RESILIENCE_PROMETHEUS_COLLECTABLE_HPP

#include <resilience/prometheus/metrics.hpp>

#include <memory>

namespace prometheus {
class Collectable;
}

namespace resilience::prometheus {

/// What an exposer of prometheus-cpp collects, for programs that have one:
/// `exposer.RegisterCollectable(collectable(metrics))`. It lives as long as a handle of
/// the metrics; exposers hold it by a weak pointer.
[[nodiscard]] std::shared_ptr<::prometheus::Collectable> collectable(
    const Metrics& metrics
);

}  // namespace resilience::prometheus

#endif
