// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_PARTS_HPP
#define RESILIENCE_MODULES_RELAY_PARTS_HPP

#include <resilience/postgres/connection_options.hpp>

namespace resilience::host {
class App;
}

namespace resilience::modules::backing {
class Database;
struct DatabaseSettings;
}  // namespace resilience::modules::backing

namespace resilience::modules::relay {

/// Adds the start step and the health part `database`, whichever way events are moved.
void add_database(host::App& app, backing::Database& database);

/// A connection besides those of the pool. The server lists it as `relay <purpose>`.
postgres::ConnectionOptions connection_options(
    const backing::DatabaseSettings& settings, const char* purpose
);

}  // namespace resilience::modules::relay

#endif
