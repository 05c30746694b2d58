// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_START_LOG_HPP
#define RESILIENCE_MODULES_BACKING_START_LOG_HPP

namespace resilience::host {
class Log;
}

namespace resilience::modules::backing {

class Database;
struct DatabaseSettings;
struct RedisSettings;

/// Tells where users and buckets are kept, and which of the two are embedded.
void log_parts(
    host::Log& log,
    const Database& database,
    const DatabaseSettings& settings,
    const RedisSettings& redis
);

}  // namespace resilience::modules::backing

#endif
