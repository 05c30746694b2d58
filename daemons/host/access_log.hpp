// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_ACCESS_LOG_HPP
#define RESILIENCE_HOST_ACCESS_LOG_HPP

#include "host/log.hpp"
#include "host/router.hpp"

#include <chrono>
#include <string_view>

namespace resilience::host {

/** Writes the line about one request and its answer, without the query.

    @param target As it came, as far as it came; shown when the request was refused before
        it was taken apart.
    @param route Null: the request matched none.
*/
void log_request(
    Log& log,
    const Request& request,
    std::string_view target,
    const Route* route,
    const Response& response,
    std::chrono::nanoseconds took
);

}  // namespace resilience::host

#endif
