// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_RUN_HPP
#define RESILIENCE_MODULES_BACKING_RUN_HPP

#include <modules/backing/database.hpp>

#include <functional>
#include <string>

namespace resilience::modules::backing {

/** Runs the work of a command-line program on the database it is configured for.

    @param program Stands before the sentence on standard error when the work fails.
    @return The exit code: 0; 2 when a setting is at fault (`std::invalid_argument`), 1
        when the work failed otherwise.
*/
int run_to_end(
    const std::string& program,
    const DatabaseSettings& settings,
    const std::function<net::awaitable<Result<void>>(Database&)>& work
);

}  // namespace resilience::modules::backing

#endif
