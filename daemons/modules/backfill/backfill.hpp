// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_BACKFILL_HPP
#define RESILIENCE_MODULES_BACKFILL_BACKFILL_HPP

#include <modules/backing/database.hpp>

#include <resilience/outbox.hpp>

#include <cstdint>
#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::modules::backfill {

/// Which events are written to the outbox again (O11).
struct Request {
    bool dry_run = false;
    /// Kind of aggregate. Required.
    std::string aggregate_type;
    /// Where they go. Empty: where they went the first time.
    std::string topic;
    /// Events written at this time or later, and before that time; RFC 3339. Empty: no
    /// bound.
    std::string from;
    std::string to;
    /// Events at most; 0: no limit.
    std::int64_t limit = 0;
    /// Events written in one transaction.
    std::int64_t chunk = 500;
};

/// Declares the command line: `-dry-run -aggregate-type -topic -from -to -limit`.
void declare(host::Config& config, Request& request);

/** Writes past events to the outbox again, where the relay finds them.

    Each copy has a new id and the header `backfill-of` with the id of the original;
   copies are never copied. A run ends where the outbox ended when it began. Its position
   is written in the transaction of the events, so a run that was killed goes on where it
   stopped when the same command is given again, and no event is written twice.

    @param options Settings of the copies: their number of retries.
    @return The exit code: 0, or after a sentence on standard error 1, or 2 for a bad
   request.
*/
int run(
    Request request,
    const backing::DatabaseSettings& settings,
    const OutboxOptions& options
);

}  // namespace resilience::modules::backfill

#endif
