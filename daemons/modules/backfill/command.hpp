// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_COMMAND_HPP
#define RESILIENCE_MODULES_BACKFILL_COMMAND_HPP

#include <modules/backfill/request.hpp>
#include <modules/backing/database.hpp>

#include <resilience/outbox.hpp>

#include <iosfwd>

namespace resilience::host {
class Config;
}

namespace resilience::modules::backfill {

class Store;

/// Declares the command line: `-dry-run -aggregate-type -topic -from -to -limit -chunk
/// -scan`.
void declare(host::Config& config, Request& request);

/** Does what a request asks for and tells of it on `out`.

    What a chunk did, and which rows it left out and why, is told once and after it was
    committed.

    @param request Normalised.
*/
net::awaitable<Result<void>> perform(
    Store& store, Request request, Outbox outbox, std::ostream& out
);

/** Writes past events to the outbox again, where the relay finds them.

    Each copy has a new id and the header `backfill-of` with the id of the original;
   copies are never copied. A run ends where the outbox ended when it began. Its position
   is written in the transaction of the events, so a run that was killed goes on where it
   stopped when the same command is given again, and no event is written twice.

    @param options Settings of the copies: their number of retries.
    @return The exit code: 0, or after a sentence on standard error 1, or 2 for a bad
   request.
*/
int run_command(
    Request request,
    const backing::DatabaseSettings& settings,
    const OutboxOptions& options
);

}  // namespace resilience::modules::backfill

#endif
