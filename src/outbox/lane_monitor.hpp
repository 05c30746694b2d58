// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LANE_MONITOR_HPP
#define RESILIENCE_SRC_OUTBOX_LANE_MONITOR_HPP

#include <resilience/lane_relay.hpp>

#include <chrono>
#include <mutex>
#include <string>
#include <utility>

namespace resilience::detail {

/// Keeps the state of a lane for whoever asks, and tells the observer of changes.
class LaneMonitor {
public:
    explicit LaneMonitor(LaneRelayObserver observer) : observer_(std::move(observer)) {}

    LaneRelaySnapshot snapshot() const {
        const std::lock_guard lock(mutex_);
        return state_;
    }

    /// Changes what nobody has to be told of.
    template <class Change>
    void note(Change change) {
        const std::lock_guard lock(mutex_);
        change(state_);
    }

    template <class Change>
    void tell(Change change) {
        LaneRelaySnapshot copy;
        {
            const std::lock_guard lock(mutex_);
            change(state_);
            if (!observer_.changed) return;
            copy = state_;
        }
        observer_.changed(copy);
    }

    /// Enters a state, unless it is in it for the same reason.
    void enter(LaneState state, TimePoint now, std::string reason = {}) {
        {
            const std::lock_guard lock(mutex_);
            if (state_.state == state && state_.reason == reason) return;
        }
        tell([&](LaneRelaySnapshot& s) {
            if (s.state != state) s.since = now;
            s.state = state;
            s.reason = std::move(reason);
        });
    }

    /// @param put_offs What the sink tells now.
    void committed(const CommittedChunk& chunk, std::uint64_t put_offs) {
        tell([&](LaneRelaySnapshot& s) {
            ++s.chunks;
            s.events += chunk.events.size();
            s.dead_letters += chunk.dead_letters.size();
            s.last_chunk = chunk.events.size();
            s.put_offs = put_offs;
            s.position = chunk.position;
        });
        if (observer_.committed) observer_.committed(chunk);
    }

private:
    mutable std::mutex mutex_;
    LaneRelaySnapshot state_;
    LaneRelayObserver observer_;
};

}  // namespace resilience::detail

#endif
