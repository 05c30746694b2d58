// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LANE_CURSOR_HPP
#define RESILIENCE_SRC_OUTBOX_LANE_CURSOR_HPP

#include <resilience/lane_position.hpp>
#include <resilience/window_source.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace resilience::detail {

/** How far the reader of one lane has come: what is committed, and what it has passed in
    memory since (I1, I3).

    What was passed in memory were windows without rows. They did not pass the gate, which
    matters to nobody as long as nothing has failed: the next window that is committed is
    a later one, whose gate covers them. After a failure the reader restarts at what is
    committed.
*/
class LaneCursor {
public:
    void restart(LanePosition committed) {
        seen_ = committed.seen;
        window_ = committed.window;
        last_seq_ = committed.last_seq;
        // Its owner committed a part of the window, so it had passed.
        gate_.reset();
        committed_ = std::move(committed);
    }

    const LanePosition& committed() const noexcept { return committed_; }

    bool is_in_window() const noexcept { return seen_ != window_; }

    /// Whether a row of the window in hand was committed.
    bool has_begun() const noexcept { return last_seq_ > 0; }

    /// Begins a window. False: it shows nothing that was not seen.
    bool open(const Window& window) {
        if (window.snapshot == seen_) return false;
        window_ = window.snapshot;
        last_seq_ = 0;
        gate_ = window.insert;
        return true;
    }

    /// What to read next.
    WindowSlice slice(int lane, std::size_t rows, std::size_t bytes) const {
        return {lane, seen_, window_, last_seq_, rows, bytes};
    }

    /// What the gate has to be asked before anything of the window in hand is committed.
    std::optional<Lsn> gate() const noexcept { return gate_; }

    /// Nothing is left in the window.
    void finish() {
        seen_ = window_;
        last_seq_ = 0;
    }

    /// The position with `events` more, the last of which is `last_seq`; `last`: of the
    /// window too.
    LanePosition after(std::size_t events, std::int64_t last_seq, bool last) const {
        auto next = committed_;
        next.seen = last ? window_ : seen_;
        next.window = window_;
        next.last_seq = last ? 0 : last_seq;
        ++next.batch_seq;
        next.lane_seq += events;
        return next;
    }

    /// What @ref after told is committed.
    void advance(LanePosition next) { restart(std::move(next)); }

private:
    LanePosition committed_;
    std::string seen_;
    std::string window_;
    std::int64_t last_seq_ = 0;
    std::optional<Lsn> gate_;
};

}  // namespace resilience::detail

#endif
