// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_LANES_HPP
#define RESILIENCE_MODULES_RELAY_LANES_HPP

#include <host/health.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/settings.hpp>

#include <resilience/lane_group.hpp>

#include <memory>

namespace resilience::host {
class App;
}

namespace resilience::modules::relay {

/// How the lanes of an instance are, as a part of a program: degraded while one of its
/// own does not deliver, down once that has lasted for 3 s. Lanes of others do not
/// matter.
host::PartHealth health_of(const LaneGroupSnapshot& group, TimePoint now);

/** The lanes from an outbox in PostgreSQL to Kafka, each event exactly once, as part of a
    program that shares them with others of its kind.

    Adds the lanes as background work, the metrics of @ref LaneMetrics and
    @ref LaneBacklogs, the health parts `database`, `delivery` and `lanes`, and a
    @ref LaneReport unless the settings ask for none. The last part is down while there
    are rows in lanes that nobody runs; the lanes go on.

    @par Object lifetimes
    The database must outlive it; it must outlive `App::run`.
*/
class LaneLoop {
public:
    /// @throws std::invalid_argument Names the setting that is at fault.
    LaneLoop(
        host::App& app,
        backing::Database& database,
        const RelaySettings& settings,
        const backing::DatabaseSettings& database_settings,
        const backing::KafkaSettings& kafka
    );
    ~LaneLoop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::modules::relay

#endif
