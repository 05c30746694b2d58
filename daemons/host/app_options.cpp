// SPDX-License-Identifier: MIT
#include "host/app.hpp"

namespace resilience::host {

void declare(Config& config, AppOptions& options) {
    using std::chrono::milliseconds;
    constexpr milliseconds second{1000};
    constexpr milliseconds hour{3'600'000};
    ServerOptions& server = options.server;
    if (options.serve) {
        config.address("PORT", server.address, "Port or address to listen on")
            .integer(
                "HTTP_MAX_CONNECTIONS",
                server.max_connections,
                1,
                1'000'000,
                "Most connections at once; more wait to be accepted"
            )
            .integer(
                "HTTP_BODY_BUDGET",
                server.body_budget,
                static_cast<std::int64_t>(server.body_limit),
                std::int64_t{1} << 40,
                "Most bytes of request bodies held at once; more is a 503"
            )
            .duration(
                "HTTP_HANDLER_TIMEOUT",
                server.handler_timeout,
                second,
                milliseconds{1},
                hour,
                "Longest time for one request; then the answer is 503"
            );
    }
    if (options.admin) {
        config.address(
            "METRICS_PORT", *options.admin, "Port or address of health and metrics"
        );
    }
    config
        .integer("HTTP_THREADS", options.threads, 1, 256, "Threads that answer requests")
        .duration(
            "SHUTDOWN_TIMEOUT",
            options.drain_timeout,
            second,
            milliseconds{0},
            hour,
            "Longest wait for requests in flight at the end"
        )
        .choice(
            "LOG_LEVEL",
            options.log_level,
            {"debug", "info", "warn", "error"},
            "Least level that is logged"
        );
}

}  // namespace resilience::host
