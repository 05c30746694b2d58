// SPDX-License-Identifier: MIT
#include <modules/backfill/run.hpp>

#include <algorithm>
#include <utility>

namespace resilience::modules::backfill {

std::int64_t rows_wanted(const Run& run, const Request& request) {
    if (request.limit == 0) return request.chunk;
    return std::min(request.chunk, request.limit - run.emitted);
}

bool is_finished(
    const Run& run, const Request& request, std::int64_t wanted, std::size_t found
) {
    const bool all_found = static_cast<std::int64_t>(found) < wanted;
    return (all_found && run.last_seq >= run.max_seq) ||
           (request.limit > 0 && run.emitted >= request.limit);
}

Event copy_of(Event original, const Request& request) {
    original.headers.emplace_back(original_header, std::exchange(original.id, {}));
    original.created_at.reset();
    original.max_retries.reset();
    if (!request.topic.empty()) original.topic = request.topic;
    return original;
}

}  // namespace resilience::modules::backfill
