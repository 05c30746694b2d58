// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_READING_STATUS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_READING_STATUS_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Declares `--limit`.
void declare_status(host::Config& config, Request& request);

/** Shows the source, who has which lanes, how far each has come, and which keys of it are
    parked. Fences nobody.

    Something is wrong when a lane has no owner, its position cannot be read or speaks of
    another source, or the instances have another number of lanes than the request.
*/
net::awaitable<Result<Report>> status(const Tools& tools);

/// Declares `--over`.
void declare_lag(host::Config& config, Request& request);

/** Tells how many events of each lane are not delivered, and how old the oldest is.

    Something is wrong when that is older than asked for, or a position cannot be read or
    speaks of another source.
*/
net::awaitable<Result<Report>> lag(const Tools& tools);

}  // namespace resilience::modules::outbox_admin

#endif
