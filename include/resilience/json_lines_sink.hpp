// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_JSON_LINES_SINK_HPP
#define RESILIENCE_JSON_LINES_SINK_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/relay.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace resilience {

/// Settings of a @ref JsonLinesSink.
struct JsonLinesSinkOptions {
    /// The file; made when it does not exist, its directory must. Required.
    std::filesystem::path path;

    /// Ids at the end of the file that are remembered to leave out duplicates. At least
    /// 1; default 100,000. A duplicate can only be of the last batch of a killed relay,
    /// so any number above the batch sizes of all relays is enough.
    std::size_t remembered_ids = 100'000;

    /// The `source` attribute of each event, a URI reference. Not empty.
    std::string source{default_cloud_event_source};

    /// Longest wait for another process that writes to the file. Positive; default 5 s.
    std::chrono::milliseconds lock_timeout{5000};
};

/** Appends events to a file, one JSON object a line, each event once.

    A line is what @ref cloud_event_json makes of the event. A delivery is durable when it
    completes: the file is synced. A line that a crash cut short is removed before the
    next is written. An event whose id is among the last
    @ref JsonLinesSinkOptions::remembered_ids is left out and counts as delivered, so a
    relay that was killed adds no duplicate.

    Several relays may share the file: each delivery holds an exclusive lock on it and
    reads what others appended. A file that was moved away is made anew; ids of the old
    one are remembered. The work is done by a thread of the sink, never on the caller's.

    @par Errors
    @li Errc::storage_full The disk is full or the file cannot be written. Nothing of the
        batch is in the file.
    @li Errc::timed_out Another process held the lock for too long. Nothing was written.
    @li Errc::invalid_request The event's data is not JSON or a field is not UTF-8. The
        other events are delivered.

    @par Cancellation
    None: a delivery that began runs to its end.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.

    @par Object lifetimes
    Destruction waits for the delivery in hand; the caller's executor must live until
   then.
*/
class JsonLinesSink final : public EventSink {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit JsonLinesSink(JsonLinesSinkOptions options);
    ~JsonLinesSink() override;

    net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent> events
    ) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience

#endif
