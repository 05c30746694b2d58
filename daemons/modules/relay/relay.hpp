// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_RELAY_HPP
#define RESILIENCE_MODULES_RELAY_RELAY_HPP

#include <host/health.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/settings.hpp>

#include <resilience/relay.hpp>

#include <memory>

namespace resilience::host {
class App;
}  // namespace resilience::host

namespace resilience::modules::relay {

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
