// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_LANE_BEGINNINGS_HPP
#define RESILIENCE_MODULES_RELAY_LANE_BEGINNINGS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/lane_sink.hpp>
#include <resilience/postgres/connection_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace resilience::postgres {
class Pool;
}

namespace resilience::modules::relay {

/** Where lanes begin that have no position, by `RELAY_FIRST` (I11):

    @li `untouched`: with every row, if the lane never had a position and no row of it is
        SENT, FAILED or PROCESSING.
    @li `after_claims`: after what relays in claim mode have finished, as
        @ref postgres::first_seen finds it, if the lane never had a position.
    @li `everything`: with every row, whatever it shows and whatever was delivered.
    @li `refuse`: nowhere; each lane is known to have a position.

    That a lane has had a position stands in the table `outbox_lanes`.

    @par Object lifetimes
    The pool must outlive it.
*/
class LaneBeginnings {
public:
    /// @param connection For looks at all rows of a lane, which may take minutes.
    LaneBeginnings(
        net::any_io_executor executor,
        postgres::Pool& pool,
        postgres::ConnectionOptions connection,
        std::string policy
    );

    /** The snapshot that a lane without a position begins after; see
        LaneRelayOptions::find_first.

        @par Errors
        @li Errc::history_changed It is not to begin; one sentence names the setting.
        @li Those of @ref postgres::first_seen and of the database.
    */
    net::awaitable<Result<std::string>> find(int lane) const;

    /// Writes that a lane has a position.
    net::awaitable<Result<void>> note(int lane) const;

private:
    // When the lane had its first position.
    net::awaitable<Result<std::optional<std::string>>> began_at(int lane) const;

    net::any_io_executor executor_;
    postgres::Pool& pool_;
    postgres::ConnectionOptions connection_;
    std::string policy_;
};

/** A sink whose lane is noted as one that has a position, as soon as one is known to be
    committed.

    Where that cannot be written a take-over fails; a commit that succeeded has succeeded,
    and the next one tries again.

    @par Object lifetimes
    The beginnings must outlive it.
*/
class NotedSink final : public LaneSink {
public:
    NotedSink(const LaneBeginnings& beginnings, int lane, std::unique_ptr<LaneSink> sink);

    net::awaitable<Result<std::optional<LanePosition>>> take_over() override;
    net::awaitable<Result<void>> commit(
        std::span<const WindowEvent> events, const LanePosition& next
    ) override;
    std::vector<LaneRefusal> refusals() const override;
    TimePoint ready_at() const override;
    std::uint64_t put_offs() const override;

private:
    const LaneBeginnings& beginnings_;
    int lane_;
    std::unique_ptr<LaneSink> sink_;
    bool noted_ = false;
};

}  // namespace resilience::modules::relay

#endif
