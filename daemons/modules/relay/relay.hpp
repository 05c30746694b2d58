// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_RELAY_HPP
#define RESILIENCE_MODULES_RELAY_RELAY_HPP

#include <host/health.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>

#include <resilience/relay.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace resilience::host {
class App;
class Config;
}  // namespace resilience::host

namespace resilience::modules::relay {

/// Settings of the relay program (M15).
struct RelaySettings {
    std::string mode = "claim";
    std::chrono::milliseconds poll_interval{5000};
    std::int64_t batch_size = 100;
    std::chrono::milliseconds stale_after{60'000};
};

/// Declares `RELAY_*`, but for `RELAY_MAX_RETRIES`, which @ref backing::EventSettings
/// has.
void declare(host::Config& config, RelaySettings& settings);

/// How a relay is, as a part of a program: degraded while it is paused, down once that
/// has lasted for 3 s.
host::PartHealth health_of(const RelaySnapshot& relay, TimePoint now);

/** The loop from the outbox to Kafka or a file, as part of a program.

    Adds the loop as background work, the metrics `relay_*` and `outbox_*`, and the health
    parts `database` and `delivery`.

    @par Object lifetimes
    The database must outlive it; it must outlive `App::run`.
*/
class RelayLoop {
public:
    RelayLoop(
        host::App& app,
        backing::Database& database,
        const RelaySettings& settings,
        const backing::DatabaseSettings& database_settings,
        const backing::KafkaSettings& kafka
    );
    ~RelayLoop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::modules::relay

#endif
