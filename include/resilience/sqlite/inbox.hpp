// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_INBOX_HPP
#define RESILIENCE_SQLITE_INBOX_HPP

#include <resilience/inbox.hpp>
#include <resilience/sqlite/transaction.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>

namespace resilience::sqlite {

/// Writes a row of `inbox_events` unless there is one; called by `Inbox::take`.
net::awaitable<Result<bool>> take_event(Transaction& transaction, Result<InboxRow> row);

/// Deletes rows of `inbox_events` by the machine's clock; called by `Inbox::prune`.
net::awaitable<Result<std::int64_t>> prune_inbox(
    Transaction& transaction, Result<InboxPruning> pruning
);

}  // namespace resilience::sqlite

#endif
