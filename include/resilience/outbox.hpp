// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_OUTBOX_HPP
#define RESILIENCE_OUTBOX_HPP

#include <resilience/asio/result.hpp>
#include <resilience/event.hpp>
#include <resilience/uuid.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace resilience {

/// Settings of an @ref Outbox.
struct OutboxOptions {
    /// Topic of events that name none; see @ref is_topic_name. Default `user-events`
    /// (M14).
    std::string topic = "user-events";

    /// Deliveries tried again before an event that names no number is FAILED. 0 or more;
    /// default 3 (M15; the row wins over the relay, X6).
    std::int32_t max_retries = 3;

    /// Largest content in bytes, as written and as a `jsonb` column gives it back: with a
    /// space after each comma and colon, and numbers without an exponent. Positive;
    /// default 1,000,000, below Kafka's 1 MiB per message so that headers fit too.
    std::size_t max_event_bytes = 1'000'000;

    /// Largest sum of the headers in bytes: of each its name, its value and 16 more.
    /// Default 32 KiB.
    std::size_t max_header_bytes = 32 * 1024;

    /// Lanes that keys are spread over. 1 to 64; default 4. A key stays in its lane.
    std::int16_t lanes = 4;

    /// Topics that events may go to; @ref topic is one of them. Default empty: any.
    std::set<std::string, std::less<>> topics = {};

    /// Topics that take contents of another size at most than @ref max_event_bytes, which
    /// measures them in the same way: for what a topic's `max.message.bytes` is, less
    /// what key and headers need. Positive; default none. Where @ref topics are given
    /// each is one of them.
    std::map<std::string, std::size_t, std::less<>> topic_max_event_bytes = {};
};

/// An event that was checked and completed, as it is written to `outbox_events`.
struct OutboxRow {
    /// With every optional field set.
    Event event;
    /// Hash of the partition key modulo @ref OutboxOptions::lanes.
    std::int16_t lane = 0;
    /// The headers as one JSON object text.
    std::string headers_json;
};

/** Writes events into the transaction that changes the data they speak of.

    Either both are committed or neither is: no change without its event, no event without
    its change. The relay delivers what was committed.

    `append` works with each transaction type that has an `append_row` found by
    argument-dependent lookup: `postgres::Transaction`, `postgres::LibpqTransaction` (a
    `PGconn*` that the caller owns), `sqlite::Transaction`.

    @par Thread safety
    Immutable: safe.
*/
class Outbox {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit Outbox(OutboxOptions options = {});

    /** Writes `event` inside `transaction`.

        @return What the `append_row` of the transaction returns: `Result<Uuid>` or an
            awaitable of it, with the identity of the event.

        @par Errors
        @li Errc::invalid_request A field is empty, too long, or not valid UTF-8;
       `event_data` is not JSON. The detail names the field. Nothing was sent.
        @li Errc::bad_destination The topic is none of OutboxOptions::topics; the detail
            names it. Nothing was sent.
        @li Errc::too_large `event_data` or the headers are larger than allowed; the
            detail names the topic and the limit. Nothing was sent.
        @li Those of the transaction.
    */
    template <class Transaction>
    auto append(Transaction& transaction, Event event) const {
        return append_row(transaction, prepare(std::move(event)));
    }

    /// Checks and completes an event without writing it; what @ref append does first.
    Result<OutboxRow> prepare(Event event) const;

    const OutboxOptions& options() const noexcept { return options_; }

private:
    OutboxOptions options_;
};

}  // namespace resilience

#endif
