// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_HTTP_METRICS_HPP
#define RESILIENCE_HOST_HTTP_METRICS_HPP

#include "host/metrics.hpp"
#include "host/router.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::host {

/** Rate, errors and duration of each route.

    @par Thread safety
    Safe, except @ref prepare.
*/
class HttpMetrics {
public:
    explicit HttpMetrics(Metrics& metrics);

    /// Makes room for the routes; afterwards a request finds its series without a search.
    void prepare(const Router& router);

    /// @param route Null: the request matched none.
    void finished(
        const Route* route, Method method, unsigned status, std::chrono::nanoseconds took
    );

    /// Counts what was turned away before it became a request.
    void rejected(std::string_view reason);

    const Gauge& connections() const noexcept { return connections_; }
    const Gauge& in_flight() const noexcept { return in_flight_; }
    const Gauge& body_bytes() const noexcept { return body_bytes_; }

private:
    struct RouteSeries {
        explicit RouteSeries(Histogram histogram) : duration(histogram) {}
        Histogram duration;
        std::mutex mutex;
        // A route answers with few different codes.
        std::vector<std::pair<unsigned, Counter>> by_status;
    };

    CounterFamily requests_;
    HistogramFamily durations_;
    CounterFamily rejected_;
    Gauge connections_;
    Gauge in_flight_;
    Gauge body_bytes_;
    std::vector<std::unique_ptr<RouteSeries>> routes_;
};

}  // namespace resilience::host

#endif
