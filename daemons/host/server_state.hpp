// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_SERVER_STATE_HPP
#define RESILIENCE_HOST_SERVER_STATE_HPP

#include "host/body_budget.hpp"
#include "host/http_metrics.hpp"
#include "host/log.hpp"
#include "host/router.hpp"
#include "host/server.hpp"

#include <atomic>

namespace resilience::host {

/// What every connection of a server sees of it. Constant but for the flag.
struct ServerState {
    ServerOptions options;
    const Router& router;
    Log& log;
    HttpMetrics metrics;
    BodyBudget bodies{
        static_cast<std::size_t>(options.body_budget), metrics.body_bytes()};
    std::atomic<bool> draining = false;
};

}  // namespace resilience::host

#endif
