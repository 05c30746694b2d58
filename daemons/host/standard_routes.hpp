// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_STANDARD_ROUTES_HPP
#define RESILIENCE_HOST_STANDARD_ROUTES_HPP

#include "host/health.hpp"
#include "host/router.hpp"

#include <memory>
#include <string>

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::host {

/** Adds `/livez`, `/readyz`, `/health`, `/health/{part}`, `/metrics`, `/openapi.json`.

    @param document Read when `/openapi.json` is asked for, so it may be filled later.
*/
void add_standard_routes(
    Router& router,
    Health& health,
    prometheus::Metrics& metrics,
    std::shared_ptr<const std::string> document
);

/// Describes the routes that are not hidden as OpenAPI 3.1, in JSON.
/// @throws std::invalid_argument A schema of a route is not valid JSON.
std::string openapi_document(
    const Router& router, const std::string& title, const std::string& version
);

}  // namespace resilience::host

#endif
