// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_PROFILE_HPP
#define RESILIENCE_PROMETHEUS_PROFILE_HPP

#include <functional>
#include <map>
#include <string>

namespace resilience::prometheus {

/** How metrics are called.

    A metric is called `<prefix>_<kind>_<what>`, such as
    `resilience_circuit_breaker_failures_total`, unless @ref names says otherwise.
*/
struct Profile {
    /// Begins the name of each metric. Default "resilience".
    std::string prefix = "resilience";

    /// The label that tells policies and kinds of requests apart. None of those that
    /// metrics have besides. Default "name".
    std::string label = "name";

    /// Names that replace others, both without the prefix. Default: none.
    std::map<std::string, std::string, std::less<>> names{};

    /** The names that MailFlow documents (F10 to F12):
       `user_service_circuit_breaker_state` and its kin, `user_service_queue_size`,
       `user_service_queue_processing` and `user_service_queue_total` for worker pools,
       `user_service_requests_total`, `user_service_errors_total` and
       `user_service_request_duration_seconds`.

        What else there is keeps its name, after the prefix `user_service`.
    */
    static Profile mailflow() {
        return {
            .prefix = "user_service",
            .names = {
                {"circuit_breaker_probes_in_flight",
                 "circuit_breaker_half_open_requests"},
                {"worker_pool_queue_size", "queue_size"},
                {"worker_pool_queue_waiting", "queue_waiting"},
                {"worker_pool_queue_processing", "queue_processing"},
                {"worker_pool_queue_total", "queue_total"}}};
    }
};

}  // namespace resilience::prometheus

#endif
