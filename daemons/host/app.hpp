// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_APP_HPP
#define RESILIENCE_HOST_APP_HPP

#include "host/config.hpp"
#include "host/health.hpp"
#include "host/log.hpp"
#include "host/router.hpp"
#include "host/server.hpp"

#include <resilience/prometheus/metrics.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace resilience::host {

struct AppOptions {
    /// The program's name: in the log, in `Server`, in the documentation.
    std::string name = "resilience";
    /// Limits and address of the public listener; its strands follow `threads`.
    ServerOptions server = {};
    /// A second listener for health, metrics and documentation alone. Default none.
    std::optional<Address> admin = {};
    /// Whether there is a public listener at all. Default true.
    bool serve = true;
    /// Threads that run handlers. At least 1; default 1.
    std::int64_t threads = 1;
    std::string log_level = "info";
    /// Longest wait for requests in flight at the end, and again for the stop hooks.
    /// Default 30 s.
    std::chrono::milliseconds drain_timeout{30'000};
    HealthOptions health = {};
};

/// Declares `LOG_LEVEL`, `SHUTDOWN_TIMEOUT`, `HTTP_THREADS`, `HTTP_MAX_CONNECTIONS`,
/// `HTTP_HANDLER_TIMEOUT`; `PORT` when there is a public listener and `METRICS_PORT` when
/// there is a second one.
void declare(Config& config, AppOptions& options);

/** A program that serves until it is told to end.

    Modules add routes, health parts and hooks; @ref run does the rest.

    @code
    host::App app{options};
    modules::bucket::mount(app, bucket_options);
    return app.run();
    @endcode

    @par Thread safety
    Built by one thread. While it runs: `executor`, `log`, `metrics`, `stop`.
*/
class App {
public:
    using Hook = std::function<net::awaitable<void>()>;

    explicit App(AppOptions options);
    ~App();
    App(const App&) = delete;
    App& operator=(const App&) = delete;

    const AppOptions& options() const noexcept;
    net::any_io_executor executor() noexcept;
    Router& router() noexcept;
    Log& log() noexcept;
    prometheus::Metrics& metrics() noexcept;
    Health& health() noexcept;

    /// Adds a step of the start; they run in order before the listeners accept. One that
    /// throws ends the start with its text and exit code 1, or 2 after a
    /// `std::invalid_argument`, which names a setting that is at fault.
    void on_start(std::string name, Hook hook);

    /// Adds a step of the end; they run in reverse order once no request is in flight,
    /// also when a start step failed. One that throws is logged and the rest still run.
    void on_stop(std::string name, Hook hook);

    /** Adds work that lasts as long as the program, such as a relay.

        It starts after the start steps, is cancelled (`terminal`) when the program ends,
        and is waited for before the stop steps run. If it ends by itself before that, by
        an exception or not, the program ends with exit code 1: a daemon without its loop
        is no daemon.
    */
    void background(std::string name, Hook work);

    /** Runs until SIGTERM, SIGINT or @ref stop.

        Then: not ready; no new connections; requests in flight finish, 30 s at most;
        background work is cancelled; stop hooks. A second signal cuts all that short.

        @return The exit code: 0; 2 when a setting is at fault, such as `PORT` with an
            address that is not this machine's; 1 when the start or background work failed
            otherwise.
    */
    int run();

    /// Ends @ref run as SIGTERM does. Safe from any thread.
    void stop();

    /// Ports listened on, known from the start hooks on; 0 when there is no such
    /// listener.
    std::uint16_t port() const noexcept;
    std::uint16_t admin_port() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::host

#endif
