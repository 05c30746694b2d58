// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_MIGRATIONS_COMMAND_HPP
#define RESILIENCE_MODULES_MIGRATIONS_COMMAND_HPP

#include <modules/backing/database.hpp>

#include <string>

namespace resilience::modules::migrations {

/** Runs `up`, `down` or `status` to its end and prints what it did.

    @return The exit code: 0, or 1 after a sentence on standard error.
*/
int run_command(const std::string& command, const backing::DatabaseSettings& settings);

}  // namespace resilience::modules::migrations

#endif
