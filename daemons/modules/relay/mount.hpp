// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_MOUNT_HPP
#define RESILIENCE_MODULES_RELAY_MOUNT_HPP

#include <modules/relay/settings.hpp>

#include <memory>

namespace resilience::host {
class App;
}

namespace resilience::modules::backing {
class Database;
}

namespace resilience::modules::relay {

/** Adds what moves the events, in the way that `RELAY_MODE` names: a @ref RelayLoop or a
    @ref LaneLoop.

    @return Keeps it; must outlive `App::run`.
    @throws std::invalid_argument Names the setting that is at fault.
*/
std::shared_ptr<void> mount(
    host::App& app,
    backing::Database& database,
    const RelaySettings& settings,
    const backing::DatabaseSettings& database_settings,
    const backing::KafkaSettings& kafka
);

}  // namespace resilience::modules::relay

#endif
