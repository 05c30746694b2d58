// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_PARTS_HPP
#define RESILIENCE_MODULES_RELAY_PARTS_HPP

namespace resilience::host {
class App;
}

namespace resilience::modules::backing {
class Database;
}

namespace resilience::modules::relay {

/// Adds the start step and the health part `database`, whichever way events are moved.
void add_database(host::App& app, backing::Database& database);

}  // namespace resilience::modules::relay

#endif
