// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_SOURCE_IDENTITY_HPP
#define RESILIENCE_SRC_POSTGRES_SOURCE_IDENTITY_HPP

#include <resilience/lane_position.hpp>
#include <resilience/postgres/rows.hpp>

#include <optional>
#include <string>

namespace resilience::postgres {

/// The refusal of what does not continue the history that is followed (I11).
Failure history_changed(std::string what);

/// Tells what differs, if anything.
std::optional<Failure> compare(const SourceIdentity& known, const SourceIdentity& found);

/// Reads what the statement `window_identity` returned.
Result<SourceIdentity> read_identity(const Row& row);

}  // namespace resilience::postgres

#endif
