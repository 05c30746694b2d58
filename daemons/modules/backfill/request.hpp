// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_REQUEST_HPP
#define RESILIENCE_MODULES_BACKFILL_REQUEST_HPP

#include <cstdint>
#include <optional>
#include <string>

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
    /// Events written in one transaction at most. 1 to 10,000.
    std::int64_t chunk = 500;
    /// Rows looked at in one transaction at most, whatever they are. 1 to 1,000,000.
    std::int64_t scan = 5'000;
};

/** Checks a request and brings its bounds to the form that rows have, in which texts
    compare as moments do. Pure.

    @return The sentence about the first mistake, which names the option; or nothing.
*/
std::optional<std::string> normalise(Request& request);

/// Names what is asked for: a run of the same text that has not finished is gone on with.
/// How it is cut into chunks does not belong to it.
std::string fingerprint(const Request& request);

}  // namespace resilience::modules::backfill

#endif
