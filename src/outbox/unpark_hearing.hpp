// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_UNPARK_HEARING_HPP
#define RESILIENCE_SRC_OUTBOX_UNPARK_HEARING_HPP

#include "chunk_builder.hpp"

#include <resilience/clock.hpp>
#include <resilience/lane_relay_options.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>

namespace resilience::detail {

/// Asks now and then which parkings may end.
class UnparkHearing {
public:
    /// @param options Must outlive it.
    explicit UnparkHearing(const LaneRelayOptions& options) : options_(options) {}

    /// The position in which those have ended that may; none: it stays as it is.
    net::awaitable<std::optional<LanePosition>> ask(
        const LanePosition& here, TimePoint now
    ) {
        if (here.parked.empty() || !options_.find_unparks || now < next_) {
            co_return std::nullopt;
        }
        next_ = now + options_.unpark_interval;
        const auto words = co_await options_.find_unparks(options_.lane);
        if (!words) co_return std::nullopt;
        auto next = here;
        next.parked = without_unparked(here.parked, *words);
        if (next.parked.size() == here.parked.size()) co_return std::nullopt;
        ++next.batch_seq;
        co_return next;
    }

private:
    const LaneRelayOptions& options_;
    TimePoint next_{};
};

}  // namespace resilience::detail

#endif
