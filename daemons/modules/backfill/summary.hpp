// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_SUMMARY_HPP
#define RESILIENCE_MODULES_BACKFILL_SUMMARY_HPP

#include <cstdint>
#include <string>
#include <vector>

namespace resilience::modules::backfill {

/// Events of one type that a request asks for.
struct Summary {
    std::string event_type;
    std::int64_t events = 0;
    /// Times of the first and the last.
    std::string first;
    std::string last;
    /// The same times in a form that sorts as they do.
    std::string first_key{};
    std::string last_key{};
};

/// Adds the summaries of a range to those of the ranges before it, which are and stay in
/// the order of the event types. @return The events of the range.
std::int64_t add(std::vector<Summary>& all, std::vector<Summary> range);

}  // namespace resilience::modules::backfill

#endif
