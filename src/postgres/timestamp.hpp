// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_TIMESTAMP_HPP
#define RESILIENCE_SRC_POSTGRES_TIMESTAMP_HPP

#include <resilience/clock.hpp>

#include <string>

namespace resilience::postgres {

/// The server's text form of an instant, in UTC and to the microsecond.
std::string to_timestamp(WallClock::time_point time);

}  // namespace resilience::postgres

#endif
