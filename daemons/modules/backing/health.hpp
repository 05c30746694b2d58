// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_HEALTH_HPP
#define RESILIENCE_MODULES_BACKING_HEALTH_HPP

#include <host/health.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>

namespace resilience::modules::backing {

class Database;

/// What the public may read about a schema that is not there.
inline constexpr const char* schema_is_missing =
    "the database or its schema is missing; run: migrate up";

/// How the database is, as a part of a program. The server's own words are the cause; the
/// detail, for everybody to read, has none of them.
net::awaitable<host::PartHealth> health_of(Database& database);

}  // namespace resilience::modules::backing

#endif
