// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_COUNT_WINDOW_HPP
#define RESILIENCE_COUNT_WINDOW_HPP

#include <resilience/call_window.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/count_ring.hpp>
#include <resilience/detail/count_word.hpp>

#include <atomic>
#include <cstdint>
#include <stdexcept>

namespace resilience {

/// Settings of a @ref CountWindow.
struct CountWindowOptions {
    /// Calls that are remembered. 1 to 1,023; default 100.
    std::uint32_t calls = 100;

    friend bool operator==(const CountWindowOptions&, const CountWindowOptions&) =
        default;
};

/** Remembers how the last so many calls ended, each of them.

    The counts are one word and always those of exactly the latest calls, whatever the
    number of threads. A success after nothing but successes changes nothing and writes
    nothing.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free and linearizable.
*/
class CountWindow {
public:
    /** Makes an empty window.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit CountWindow(const CountWindowOptions& options = {})
        : ring_{checked_size(options)} {}

    /// Counts a call. The time is not used.
    void record(
        std::uint32_t generation, CallOutcome outcome, TimePoint /*now*/ = {}
    ) noexcept {
        ring_.record(generation, outcome);
    }

    /// Tells what is remembered of calls of that generation.
    CallCounts counts(std::uint32_t generation, TimePoint /*now*/ = {}) const noexcept {
        return ring_.counts(generation);
    }

    /// Forgets the calls of one generation, and leaves all others alone.
    void forget(std::uint32_t generation) noexcept { ring_.forget(generation); }

private:
    static std::uint32_t checked_size(const CountWindowOptions& options) {
        if (options.calls < 1 || options.calls > detail::CountWord::kMostCalls) {
            throw std::invalid_argument{"CountWindowOptions::calls must be in 1 to 1023"};
        }
        return options.calls;
    }

    detail::CountRing<std::atomic> ring_;
};

static_assert(CallWindow<CountWindow>);

}  // namespace resilience

#endif
