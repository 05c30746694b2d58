// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_READING_VERIFY_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_READING_VERIFY_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Declares `--topics --since --rows-at-once --allow-foreign`.
void declare_verify(host::Config& config, Request& request);

/** Reads topics and those of their dead letters and parked events, and judges with a @ref
    LaneVerifier whether the lanes delivered once and in order, up to their positions at
    least.

    @par Errors
    @li Errc::bad_destination A topic that was named is not there.
    @li Those of @ref kafka::TopicReader, @ref kafka::LanePositions and the database.
*/
net::awaitable<Result<Report>> verify(const Tools& tools);

}  // namespace resilience::modules::outbox_admin

#endif
