// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LANE_FAULT_HPP
#define RESILIENCE_DETAIL_LANE_FAULT_HPP

#include <resilience/error.hpp>

#include <cstdint>
#include <system_error>

namespace resilience::detail {

/// What a lane does after a failure of its source or its sink. Whichever it is, it goes
/// back to the last committed position first.
enum class LaneFault : std::uint8_t {
    /// Another owner has the lane: stop.
    fenced,
    /// Given up or in doubt: take over again, at once the first time.
    resume,
    /// Down or busy: pause.
    wait,
    /// The same would fail again: say so, and try seldom.
    halt
};

inline LaneFault lane_fault(std::error_code code) noexcept {
    // Also in doubt, but the position is the other owner's to read.
    if (code == Errc::fenced) return LaneFault::fenced;
    if (code == Errc::aborted || is_in_doubt(code)) return LaneFault::resume;
    if (is_retryable(code) || code == Errc::cancelled || code == Errc::closed) {
        return LaneFault::wait;
    }
    return LaneFault::halt;
}

/// Whether a destination refuses the event for what it contains, wherever it goes.
inline bool blames_content(const Failure& failure) noexcept {
    return failure == Errc::too_large || failure == Errc::invalid_request;
}

/// Whether it is the fault of single messages, of what they contain or where they go,
/// which others of their transaction do not share.
inline bool is_fault_of_message(const Failure& failure) noexcept {
    return blames_content(failure) || failure == Errc::bad_destination ||
           failure == Errc::access_denied;
}

}  // namespace resilience::detail

#endif
