// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_HTTP_METRICS_HPP
#define RESILIENCE_HOST_HTTP_METRICS_HPP

#include "host/router.hpp"

#include <resilience/prometheus/instruments.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::host {

/** Rate, errors and duration of each route.

    @par Thread safety
    Safe, except @ref prepare.
*/
class HttpMetrics {
public:
    explicit HttpMetrics(prometheus::Metrics& metrics);

    /// Makes room for the routes; afterwards a request finds its series without a search.
    void prepare(const Router& router);

    /// @param route Null: the request matched none.
    void finished(
        const Route* route, Method method, unsigned status, std::chrono::nanoseconds took
    );

    /// Counts what was turned away before it became a request.
    void rejected(std::string_view reason);

    const prometheus::Gauge& connections() const noexcept { return connections_; }
    const prometheus::Gauge& in_flight() const noexcept { return in_flight_; }
    const prometheus::Gauge& body_bytes() const noexcept { return body_bytes_; }

private:
    struct RouteSeries {
        explicit RouteSeries(prometheus::Histogram histogram)
            : duration(std::move(histogram)) {}
        prometheus::Histogram duration;
        std::mutex mutex;
        // A route answers with few different codes.
        std::vector<std::pair<unsigned, prometheus::Counter>> by_status;
    };

    prometheus::CounterFamily requests_;
    prometheus::HistogramFamily durations_;
    prometheus::CounterFamily rejected_;
    prometheus::Gauge connections_;
    prometheus::Gauge in_flight_;
    prometheus::Gauge body_bytes_;
    std::vector<std::unique_ptr<RouteSeries>> routes_;
};

}  // namespace resilience::host

#endif
