// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LANE_SLOT_HPP
#define RESILIENCE_SRC_OUTBOX_LANE_SLOT_HPP

#include <resilience/clock.hpp>
#include <resilience/lane_group.hpp>
#include <resilience/lane_relay.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

namespace resilience::detail {

inline LaneParts checked(LaneParts parts) {
    if (parts.source && parts.sink) return parts;
    throw std::invalid_argument("LaneFactory: made no source or no sink");
}

/// One run of a lane: the parts outlive the relay between them.
struct LaneRun {
    LaneRun(
        const net::any_io_executor& executor,
        LaneParts made,
        LaneRelayOptions options,
        TimePoint now
    )
        : parts(checked(std::move(made))),
          relay(
              executor,
              *parts.source,
              *parts.sink,
              std::move(options),
              std::move(parts.observer)
          ),
          began(now) {}

    LaneParts parts;
    LaneRelay relay;
    TimePoint began;
};

/// One lane in a group.
struct LaneSlot {
    bool owned = false;
    TimePoint since{};
    std::uint64_t runs = 0;
    // The runs that are over.
    LaneRelaySnapshot past;
    // The run that is under way.
    std::shared_ptr<LaneRun> run;

    // To be given up as soon as no run is under way.
    bool leaving = false;
    std::uint32_t failures = 0;
    TimePoint next_start{};
    net::cancellation_signal cancel;
};

}  // namespace resilience::detail

#endif
