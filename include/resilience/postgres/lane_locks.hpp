// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_LANE_LOCKS_HPP
#define RESILIENCE_POSTGRES_LANE_LOCKS_HPP

#include <resilience/lane_ownership.hpp>
#include <resilience/postgres/connection_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>

namespace resilience::postgres {

/// Settings of @ref LaneLocks.
struct LaneLocksOptions {
    /// Where the outbox is. Its `query_timeout` bounds each operation. A pooler that
    /// changes sessions between statements must not be between.
    ConnectionOptions connection{};

    /// How many lanes the outbox has, the same for every instance. 1 to 64; default 4.
    int lanes = 4;
};

/** Shares the lanes of the table `outbox_events` of the connection's search path by
    advisory locks of one session.

    The server gives all of an instance's locks up when its session ends: at once when the
    process is gone, after some 10 s when its machine is. What the locks are called is
    made from the table's number, so that other tables' lanes are other locks.

    @par Errors
    Besides those of a connection:
    @li Errc::bad_destination The table is not there.
    @li Errc::invalid_request An instance with another number of lanes is there, or a lane
        is out of range.

    @par Thread safety
    As @ref LaneOwnership.
*/
class LaneLocks final : public LaneOwnership {
public:
    /// Connects on the first @ref look.
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit LaneLocks(net::any_io_executor executor, LaneLocksOptions options = {});
    ~LaneLocks() override;

    net::awaitable<Result<LaneCensus>> look() override;
    net::awaitable<Result<bool>> take(int lane) override;
    net::awaitable<Result<void>> give_up(int lane) override;
    void leave() override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::postgres

#endif
