// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_RUN_HPP
#define RESILIENCE_MODULES_BACKFILL_RUN_HPP

#include <modules/backfill/request.hpp>

#include <resilience/event.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resilience::modules::backfill {

/// Names the original in the headers of a copy; its presence keeps a copy from being
/// copied.
inline constexpr const char* original_header = "backfill-of";

/// Where the work on a request stands: a row of `backfill_runs`.
struct Run {
    std::string id;
    /// Rows of the outbox up to this number were looked at.
    std::int64_t last_seq = 0;
    /// The newest row when the run began: it ends there.
    std::int64_t max_seq = 0;
    /// Events written, by all processes that worked on it.
    std::int64_t emitted = 0;
};

/// Rows of the outbox with numbers above one and up to another.
struct Range {
    std::int64_t after = 0;
    std::int64_t up_to = 0;
};

/// A row of the outbox that may be written again.
struct PastEvent {
    std::int64_t seq = 0;
    Event event;
};

/// A row that was not written again.
struct LeftOut {
    std::string id;
    std::string reason;
};

/// What one committed transaction did.
struct Chunk {
    /// Where the run stands now. Nothing but its identity when another process had
    /// finished it.
    Run run;
    /// Events written by this chunk.
    std::int64_t copied = 0;
    std::vector<LeftOut> left_out;
    /// This process goes on with a run that another began; true of its first chunk alone.
    bool resumed = false;
    /// There is no chunk after this one.
    bool finished = false;
};

/// Events that the next chunk looks for; at least 1 unless the limit is reached.
std::int64_t rows_wanted(const Run& run, const Request& request);

/// Whether a run ends after a chunk that looked for `wanted` events, found `found` and
/// brought the run where it is.
bool is_finished(
    const Run& run, const Request& request, std::int64_t wanted, std::size_t found
);

/// The event to be written: as the original, with a new identity and time, the topic that
/// was asked for, and the header that names the original.
Event copy_of(Event original, const Request& request);

}  // namespace resilience::modules::backfill

#endif
