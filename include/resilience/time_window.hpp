// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TIME_WINDOW_HPP
#define RESILIENCE_TIME_WINDOW_HPP

#include <resilience/call_window.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/thread_stripe.hpp>
#include <resilience/detail/time_ring.hpp>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <stdexcept>

namespace resilience {

/// Settings of a @ref TimeWindow.
struct TimeWindowOptions {
    /// How long calls are remembered, less up to one bucket. Should be longer than the
    /// calls may take, or outcomes of one burst are never seen together. 10 ms to 1 day;
    /// default 10 s.
    std::chrono::nanoseconds length = std::chrono::seconds{10};

    /// Steps in which calls are forgotten. More of them follow time more closely and make
    /// failures a little dearer to judge. A power of two, 1 to 64; default 16.
    std::uint32_t buckets = 16;

    /// Copies of the buckets, among which threads are spread. More than one pays where
    /// more than about four cores report to one window all the time; about four for each
    /// core then. A power of two, 1 to 64; default 1.
    std::uint32_t stripes = 1;

    friend bool operator==(const TimeWindowOptions&, const TimeWindowOptions&) = default;
};

/** Remembers the calls that ended in the last few seconds, in buckets.

    To record is one exchange of one word; buckets that time has left behind are never
    cleaned up, their number alone tells that they are old. A bucket counts 16,383 calls
    and then halves all its counts, so ratios survive any load while the number of calls
    told is at least 8,191.

    What was counted 65,536 windows ago (7 days at 10 s) and lay untouched since would
    count again, for the length of one bucket.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. Counts are exact when nobody
    records meanwhile; otherwise of two threads that record and then count at once, at
    least one sees both records.
*/
class TimeWindow {
public:
    /** Makes an empty window.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit TimeWindow(const TimeWindowOptions& options = {})
        : ring_{checked_width(options), options.buckets, options.stripes} {}

    /// Counts a call that ended at `now`; one that is older than the window is left out.
    void record(std::uint32_t generation, CallOutcome outcome, TimePoint now) noexcept {
        const std::uint32_t stripe = ring_.is_striped() ? detail::thread_stripe() : 0;
        ring_.record(generation, outcome, now, stripe);
    }

    /// Tells what is remembered at `now` of calls of that generation.
    CallCounts counts(std::uint32_t generation, TimePoint now) const noexcept {
        return ring_.counts(generation, now);
    }

    /// Forgets the calls of one generation, and leaves all others alone.
    void forget(std::uint32_t generation) noexcept { ring_.forget(generation); }

private:
    static std::uint64_t checked_width(const TimeWindowOptions& options);

    detail::TimeRing<std::atomic> ring_;
};

inline std::uint64_t TimeWindow::checked_width(const TimeWindowOptions& options) {
    using namespace std::chrono_literals;
    if (options.length < 10ms || options.length > 24h) {
        throw std::invalid_argument{
            "TimeWindowOptions::length must be in 10 ms to 1 day"};
    }
    if (!std::has_single_bit(options.buckets) || options.buckets > 64) {
        throw std::invalid_argument{
            "TimeWindowOptions::buckets must be a power of two, 1 to 64"};
    }
    if (!std::has_single_bit(options.stripes) || options.stripes > 64) {
        throw std::invalid_argument{
            "TimeWindowOptions::stripes must be a power of two, 1 to 64"};
    }
    return static_cast<std::uint64_t>(
        detail::ceil_div(options.length.count(), options.buckets)
    );
}

static_assert(CallWindow<TimeWindow>);

}  // namespace resilience

#endif
