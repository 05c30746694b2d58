// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LANE_TURN_HPP
#define RESILIENCE_SRC_OUTBOX_LANE_TURN_HPP

#include <resilience/window_source.hpp>

#include <cstdint>
#include <vector>

namespace resilience::detail {

/// What one turn of a lane's loop came to.
enum class Turn : std::uint8_t {
    /// A chunk was committed, or a window that had some is done.
    progress,
    /// Nothing is there.
    idle,
    /// The chunk has to be made differently.
    differently
};

/// What was asked for of a window, and what is there.
struct Slice {
    WindowSlice asked;
    Result<std::vector<WindowEvent>> rows;
};

}  // namespace resilience::detail

#endif
