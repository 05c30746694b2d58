// SPDX-License-Identifier: MIT
#include <resilience/postgres/inbox.hpp>

#include "outbox_sql.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace resilience::postgres {

net::awaitable<Result<bool>> take_event(Transaction& transaction, Result<InboxRow> row) {
    if (!row) co_return std::move(row).error();
    const auto written = co_await transaction.async_execute(
        sql::inbox_take,
        parameters(std::move(row->consumer), std::move(row->event_id)),
        net::use_awaitable
    );
    if (!written) co_return written.error();
    co_return written->affected() == 1;
}

net::awaitable<Result<std::int64_t>> prune_inbox(
    Transaction& transaction, Result<InboxPruning> pruning
) {
    if (!pruning) co_return std::move(pruning).error();
    const auto deleted = co_await transaction.async_execute(
        sql::inbox_prune,
        parameters(
            std::move(pruning->consumer), pruning->older_than.count(), pruning->limit
        ),
        net::use_awaitable
    );
    if (!deleted) co_return deleted.error();
    co_return deleted->affected();
}

}  // namespace resilience::postgres
