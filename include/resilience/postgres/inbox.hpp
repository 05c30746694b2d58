// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_INBOX_HPP
#define RESILIENCE_POSTGRES_INBOX_HPP

#include <resilience/inbox.hpp>
#include <resilience/postgres/transaction.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>

namespace resilience::postgres {

/** Writes a row of `inbox_events` unless there is one; called by `Inbox::take`.

    Waits for another transaction that writes the same row, as long as that is open. In
    @ref Isolation::repeatable_read and above it fails with
    @ref Errc::serialization_conflict then, if the other commits.
*/
net::awaitable<Result<bool>> take_event(Transaction& transaction, Result<InboxRow> row);

/// Deletes rows of `inbox_events` by the server's clock; called by `Inbox::prune`. Leaves
/// out those that another transaction deletes at the moment.
net::awaitable<Result<std::int64_t>> prune_inbox(
    Transaction& transaction, Result<InboxPruning> pruning
);

}  // namespace resilience::postgres

#endif
