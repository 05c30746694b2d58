// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TIMEOUT_LAW_HPP
#define RESILIENCE_DETAIL_TIMEOUT_LAW_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>

#include <resilience/detail/saturated_add.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

namespace resilience::detail {

/// The instant at which a call that begins at `now` is cancelled.
constexpr TimePoint deadline_of(
    TimePoint now, std::chrono::nanoseconds limit, TimePoint outer
) noexcept {
    return std::min(saturated_add(now, limit), outer);
}

/** What a call that went past its deadline is said to have ended with; nothing when its
    own end stands.

    An answer stands however late it is: it tells more than that it is late. So does the
    refusal by another policy. What is left is what the cancellation did to the call.
*/
constexpr std::optional<Errc> end_past_deadline(const Classification& own) noexcept {
    switch (own.verdict) {
        case Verdict::success:
        case Verdict::slow:
        case Verdict::client_error:
        case Verdict::throttled:
        case Verdict::ignored:
            return std::nullopt;
        case Verdict::transient:
        case Verdict::abandoned:
            return own.in_doubt ? Errc::timed_out_in_doubt : Errc::timed_out;
        case Verdict::permanent:
            // Whatever it is that failed, nobody says that nothing was sent.
            return Errc::timed_out_in_doubt;
    }
    return Errc::timed_out_in_doubt;
}

}  // namespace resilience::detail

#endif
