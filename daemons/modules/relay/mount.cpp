// SPDX-License-Identifier: MIT
#include <modules/relay/mount.hpp>

#include <modules/relay/lanes.hpp>
#include <modules/relay/relay.hpp>

namespace resilience::modules::relay {

std::shared_ptr<void> mount(
    host::App& app,
    backing::Database& database,
    const RelaySettings& settings,
    const backing::DatabaseSettings& database_settings,
    const backing::KafkaSettings& kafka
) {
    if (settings.is_exactly_once()) {
        return std::make_shared<LaneLoop>(
            app, database, settings, database_settings, kafka
        );
    }
    return std::make_shared<RelayLoop>(app, database, settings, database_settings, kafka);
}

}  // namespace resilience::modules::relay
