// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_INBOX_HPP
#define RESILIENCE_INBOX_HPP

#include <resilience/asio/result.hpp>
#include <resilience/event.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace resilience {

/// The identity of the event in a message with these headers: its `ce_id`, which the
/// relay writes. None if there is none, or more than one. Views the headers. Pure.
std::optional<std::string_view> event_id_of(std::span<const Header> headers) noexcept;

/// Settings of an @ref Inbox.
struct InboxOptions {
    /// Who takes the events; each of these takes every event once. 1 to 255 bytes of
    /// UTF-8 without NUL. Required. All instances that share the work use one name, such
    /// as that of their consumer group.
    std::string consumer;
};

/// An event that is to be taken, as it is written to `inbox_events`.
struct InboxRow {
    std::string consumer;
    std::string event_id;
};

/// Which rows of `inbox_events` are to go.
struct InboxPruning {
    std::string consumer;
    std::chrono::milliseconds older_than{0};
    std::int64_t limit = 0;
};

/** Tells events that were seen before from new ones, in the transaction of their effect.

    Either the effect and the note that the event was taken are committed, or neither is.
    So an event that is delivered again, by a broker, after a crash or to two consumers at
    once, has its effect once: where two transactions take one event, the second waits for
    the end of the first.

    Works with each transaction type that has a `take_event` and a `prune_inbox` found by
    argument-dependent lookup: `postgres::Transaction` with
    `<resilience/postgres/inbox.hpp>`, `sqlite::Transaction` with
    `<resilience/sqlite/inbox.hpp>`.

    @par Thread safety
    Immutable: safe.
*/
class Inbox {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit Inbox(InboxOptions options);

    /** Takes the event inside `transaction`, before its effect.

        @param event_id Which event, as in @ref event_id_of. 1 to 255 bytes of UTF-8
            without NUL. Identities of different sources must differ.
        @return What the transaction's `take_event` returns, such as an awaitable of
            `Result<bool>`. False: it was taken before; the effect has happened.

        @par Errors
        @li Errc::invalid_request `event_id` is empty, too long or no text. Nothing was
            sent.
        @li Those of the transaction.
    */
    template <class Transaction>
    auto take(Transaction& transaction, std::string event_id) const {
        return take_event(transaction, prepare(std::move(event_id)));
    }

    /** Forgets events that were taken longer ago, oldest first.

        What is forgotten has its effect again if it is delivered again: keep events for
        longer than topics keep them, or at least for longer than a consumer may stand
        still and offsets may be set back.

        @param older_than Zero or more, at most 100 years.
        @param limit Most rows that go at once. 1 to 1,000,000.
        @return As `take`, of how many went (`Result<std::int64_t>`). Less than `limit`:
            all.

        @par Errors
        @li Errc::invalid_request `older_than` or `limit` is out of range. Nothing was
            sent.
        @li Those of the transaction.
    */
    template <class Transaction>
    auto prune(
        Transaction& transaction,
        std::chrono::milliseconds older_than,
        std::int64_t limit = 10'000
    ) const {
        return prune_inbox(transaction, prepare(older_than, limit));
    }

    /// Checks what @ref take is given, without writing it.
    Result<InboxRow> prepare(std::string event_id) const;

    /// Checks what @ref prune is given, without removing anything.
    Result<InboxPruning> prepare(std::chrono::milliseconds older_than, std::int64_t limit)
        const;

    const InboxOptions& options() const noexcept { return options_; }

private:
    InboxOptions options_;
};

}  // namespace resilience

#endif
