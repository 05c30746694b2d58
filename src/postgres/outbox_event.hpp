// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_OUTBOX_EVENT_HPP
#define RESILIENCE_SRC_POSTGRES_OUTBOX_EVENT_HPP

#include <resilience/postgres/rows.hpp>
#include <resilience/relay.hpp>

namespace resilience::postgres {

/// Reads a row that the statement `claim` returned. Takes whatever a foreign writer
/// stored.
ClaimedEvent read_event(const Row& row);

}  // namespace resilience::postgres

#endif
