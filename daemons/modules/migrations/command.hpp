// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_MIGRATIONS_COMMAND_HPP
#define RESILIENCE_MODULES_MIGRATIONS_COMMAND_HPP

#include <modules/backing/database.hpp>

#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::modules::migrations {

/// Declares `MIGRATE_LOCK_TIMEOUT` and `MIGRATE_STATEMENT_TIMEOUT`.
void declare(host::Config& config, Waits& waits);

/** Runs `up`, `down` or `status` to its end and prints what it did.

    @return The exit code: 0, or 1 after a sentence on standard error.
*/
int run_command(
    const std::string& command, backing::DatabaseSettings settings, Waits waits
);

}  // namespace resilience::modules::migrations

#endif
