// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_REDIS_CONNECTION_OPTIONS_HPP
#define RESILIENCE_SRC_REDIS_CONNECTION_OPTIONS_HPP

#include <resilience/redis/connection_options.hpp>

namespace resilience::redis::detail {

/// The options themselves. @throws std::invalid_argument Names the one out of range.
ConnectionOptions checked(ConnectionOptions options);

}  // namespace resilience::redis::detail

#endif
