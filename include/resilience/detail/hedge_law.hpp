// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_HEDGE_LAW_HPP
#define RESILIENCE_DETAIL_HEDGE_LAW_HPP

#include <resilience/classify.hpp>

namespace resilience::detail {

/// Whether the end of one attempt is the end of the call, whatever the others do: it is
/// an answer, or a failure that they would meet too. Else they may do better.
constexpr bool ends_hedged_call(Verdict v) noexcept {
    switch (v) {
        case Verdict::success:
        case Verdict::slow:
        case Verdict::client_error:
        case Verdict::permanent:
            return true;
        case Verdict::transient:
        case Verdict::throttled:
        case Verdict::ignored:
        case Verdict::abandoned:
            return false;
    }
    return true;
}

/// Whether no further attempt is made after one that ended so: the peer asked for fewer,
/// or a limit of this process has no room for more.
constexpr bool forbids_hedges(Verdict v) noexcept {
    return v == Verdict::throttled || v == Verdict::ignored || v == Verdict::abandoned;
}

/// Whether the time that a first attempt took tells how long an answer takes. One that
/// was cancelled because another answered took at least that long: if its time were left
/// out, the slow ones would be missing, and the delay would shrink with each hedge.
constexpr bool tells_latency(Verdict v, bool lost_to_another) noexcept {
    return lost_to_another || v == Verdict::success || v == Verdict::slow ||
           v == Verdict::client_error;
}

}  // namespace resilience::detail

#endif
