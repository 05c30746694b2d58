// SPDX-License-Identifier: MIT
#include <resilience/sqlite/inbox.hpp>

#include "outbox_sql.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace resilience::sqlite {
namespace {

// A modifier of SQLite's times: `-1.500 seconds`.
std::string age(std::chrono::milliseconds span) {
    const std::string decimals = std::to_string(1000 + span.count() % 1000).substr(1);
    return '-' + std::to_string(span.count() / 1000) + '.' + decimals + " seconds";
}

}  // namespace

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
            std::move(pruning->consumer), age(pruning->older_than), pruning->limit
        ),
        net::use_awaitable
    );
    if (!deleted) co_return deleted.error();
    co_return deleted->affected();
}

}  // namespace resilience::sqlite
