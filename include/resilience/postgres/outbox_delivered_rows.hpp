// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_OUTBOX_DELIVERED_ROWS_HPP
#define RESILIENCE_POSTGRES_OUTBOX_DELIVERED_ROWS_HPP

#include <resilience/delivered_rows.hpp>
#include <resilience/postgres/connection_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace resilience::postgres {

/** The rows of the table `outbox_events` of the connection's search path.

    One connection of its own, opened when needed and kept; its `query_timeout` bounds
    each operation. Each is one statement that costs what it looks at, however many rows
    are older or dead. A row is old by its `created_at`.

    Which cluster, timeline, database and table the connection has reached is compared
    with every position that comes, and a position that is ahead of the server's
    transactions is refused, as @ref OutboxWindowSource does (I11).

    The table may be one of partitions by `seq`. Rows are removed by range, each after its
    own proof; a partition is left to whoever drops it once it is empty.

    @par Errors
    Those of @ref Connection besides those of @ref DeliveredRows, and
    @li Errc::bad_destination What the server says would be said without any row, too: it
        is a standby, denies the privilege, or the table is not as it should be.
    @li Errc::invalid_request No lane, more rows or fewer than asked for are given.
*/
class OutboxDeliveredRows final : public DeliveredRows {
public:
    /// Connects on first use.
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit OutboxDeliveredRows(
        net::any_io_executor executor, ConnectionOptions options = {}
    );
    ~OutboxDeliveredRows() override;

    net::awaitable<Result<std::int64_t>> last_seq() override;
    net::awaitable<Result<DeliveredOutcome>> report(const DeliveredSlice& slice) override;
    net::awaitable<Result<std::vector<std::int64_t>>> report_failed(
        std::span<const DeliveredLane> lanes, std::span<const DeadLetteredRow> rows
    ) override;
    net::awaitable<Result<DeliveredOutcome>> remove(
        const DeliveredSlice& slice, std::chrono::milliseconds age
    ) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::postgres

#endif
