// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_OUTBOX_WINDOW_SOURCE_HPP
#define RESILIENCE_POSTGRES_OUTBOX_WINDOW_SOURCE_HPP

#include <resilience/postgres/connection_options.hpp>
#include <resilience/postgres/shared_look.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace resilience::postgres {

/// Settings of an @ref OutboxWindowSource.
struct OutboxWindowSourceOptions {
    /// Where the server is. Its `query_timeout` bounds each statement, the wait of `gate`
    /// included. A pooler that changes servers or sessions between statements must not be
    /// between.
    ConnectionOptions connection{};

    /// Operations that may overlap; each has a connection of its own, opened when needed
    /// and kept. At least 1; default 8. One more fails with Errc::queue_full.
    std::size_t max_connections = 8;

    /// Rows of one lane and window up to which a slice is found by sorting them; above,
    /// by going through the table in order of `seq`. Where that leads through more rows
    /// than the window has, a window of up to 50 times as many is gone through instead.
    /// 1 to 1,000,000; default 20,000.
    std::int64_t most_sorted = 20'000;

    /// Shared with the other sources of the process that follow the same table, so that
    /// they look for each other while nothing happens. Default none: each looks itself.
    std::shared_ptr<SharedLook> shared_look{};
};

/** Reads the table `outbox_events` of the connection's search path window by window.

    Needs the primary: the snapshots of a standby do not order its commits (I5) and it
    cannot be made durable from there. Writes nothing but the empty log record of `gate`.
    `look` and `read` are one statement each, and cost what the window holds, however many
    rows are older or dead, also while somebody holds a snapshot. A slice of a large
   window may take more statements. Only of a window too large to be gone through
   (`most_sorted`) does the cost grow with what lies before it, and no statement's does.

    While it has a connection no relay can claim rows of the table (@ref first_seen);
    while one does, or is about to, no connection is opened and operations that need one
    fail with Errc::unavailable.

    An empty snapshot text stands for the one before the first transaction.

    What a new connection finds is compared with what the first one found: standby or
    primary, the cluster, its timeline, the database, the table, and that the sequence of
    `seq` has no cache. Whichever differs, the operation is refused (I11). A server that
    was set back to an earlier state of the same timeline, by a copy of its files, is only
    recognised until its transaction numbers have come as far again.

    @par Thread safety
    Distinct objects: safe. Shared objects: as @ref WindowSource says.
*/
class OutboxWindowSource final : public WindowSource {
public:
    /// Connects on first use.
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit OutboxWindowSource(
        net::any_io_executor executor, OutboxWindowSourceOptions options = {}
    );
    ~OutboxWindowSource() override;

    net::awaitable<Result<SourceIdentity>> identity() override;
    net::awaitable<Result<Window>> look() override;
    net::awaitable<Result<void>> gate(Lsn lsn) override;
    net::awaitable<Result<std::vector<WindowEvent>>> read(const WindowSlice& slice
    ) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::postgres

#endif
