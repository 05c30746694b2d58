// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CALL_WINDOW_HPP
#define RESILIENCE_CALL_WINDOW_HPP

#include <resilience/clock.hpp>

#include <concepts>
#include <cstdint>

namespace resilience {

/// What a window keeps of the end of one call. A failure may be slow as well.
struct CallOutcome {
    bool failure = false;
    bool slow = false;

    friend constexpr bool operator==(const CallOutcome&, const CallOutcome&) = default;
};

/// Calls that a window remembers, by how they ended.
struct CallCounts {
    std::uint32_t calls = 0;
    std::uint32_t failures = 0;
    std::uint32_t slow = 0;

    /// Failures since the last call that did not fail. Kept by the breaker; a window
    /// leaves it zero.
    std::uint32_t consecutive_failures = 0;

    /// Share of failures in all calls; zero without calls.
    constexpr double failure_ratio() const noexcept { return share(failures); }

    /// Share of slow calls in all calls; zero without calls.
    constexpr double slow_ratio() const noexcept { return share(slow); }

    friend constexpr bool operator==(const CallCounts&, const CallCounts&) = default;

private:
    // Two whole numbers are divided, because only then is 7 of 100 the same as 0.07.
    constexpr double share(std::uint32_t part) const noexcept {
        return calls == 0 ? 0.0 : static_cast<double>(part) / calls;
    }
};

/** A memory of how recent calls ended, from which a @ref CircuitBreaker tells whether to
    open. @ref TimeWindow and @ref CountWindow are such; so is what a user writes, say a
    moving average.

    - `record(generation, outcome, now)` counts the end of one call;
    - `counts(generation, now)` tells what is remembered of calls of that generation.

    A generation is a number below 2^19 that grows by at least one, modulo 2^19, each time
    that all which was counted before becomes void: calls of another generation do not
    count, and when one of a later generation is recorded the earlier may be forgotten.
    Numbers are skipped.

    A window may have a third function, `forget(generation)`: from now on nothing will ask
    for that generation.

    @par Thread safety
    All functions are called by several threads at once. They must not throw.
*/
template <class W>
concept CallWindow = requires(
    W& window, const W& same, std::uint32_t generation, CallOutcome outcome, TimePoint now
) {
    { window.record(generation, outcome, now) }
    noexcept;
    { same.counts(generation, now) }
    noexcept->std::same_as<CallCounts>;
};

}  // namespace resilience

#endif
