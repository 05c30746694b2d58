// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_FIXED_WINDOW_HPP
#define RESILIENCE_FIXED_WINDOW_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/fixed_window_law.hpp>
#include <resilience/detail/lawful_word.hpp>

#include <chrono>
#include <cstdint>

namespace resilience {

/// How much a window lets through, and when windows begin.
struct FixedWindowOptions {
    /// Most that is admitted in a window. At least 1, and at most one for each nanosecond
    /// of the window; default 100.
    std::uint32_t limit = 100;

    /// Length of each window. Positive, at most 18 years; default 1 s.
    std::chrono::nanoseconds window = std::chrono::seconds{1};

    /// One of the instants at which a window begins, counted from the epoch of @ref
    /// Clock; any of them will do. Default 0. See @ref calendar_offset.
    std::chrono::nanoseconds offset{0};

    friend bool operator==(const FixedWindowOptions&, const FixedWindowOptions&) =
        default;
};

/** Finds the `FixedWindowOptions::offset` of windows that begin with the days (hours,
   ...) of the calendar.

    Later steps of the wall clock do not move the windows.

    @param boundary An instant of the calendar at which a window begins, such as
        `std::chrono::floor<std::chrono::days>(wall)`.
    @param wall The time on the wall.
    @param now The same instant by the clock that decides.
*/
constexpr std::chrono::nanoseconds calendar_offset(
    WallClock::time_point boundary,
    WallClock::time_point wall = WallClock::now(),
    TimePoint now = Clock::now()
) noexcept {
    return now.time_since_epoch() - (wall - boundary);
}

/** Limits how much happens in each second (or hour, or day) of the calendar: for quotas.

    The count begins anew with each window, so twice the limit may go at once, half of it
    at the end of a window and half at the start of the next; over any stretch of time
   `w`, no more than `limit * (2 + w / window)`. To spread calls evenly, use @ref
   SlidingWindow or @ref TokenBucket.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. A refusal writes nothing.

    @par Example
    @code
    using namespace std::chrono;
    FixedWindow quota{{
        .limit = 1'000'000,
        .window = days{1},
        .offset = calendar_offset(floor<days>(system_clock::now()))}};
    @endcode
*/
class alignas(64) FixedWindow {
public:
    using Options = FixedWindowOptions;
    using Law = detail::FixedWindowLaw;

    /** Makes a counter that stands at zero.
        @throws std::invalid_argument Names the field of `options` that is out of range.
    */
    explicit FixedWindow(const FixedWindowOptions& options = {})
        : word_{make_law(options), options} {}

    FixedWindow(const FixedWindow&) = delete;
    FixedWindow& operator=(const FixedWindow&) = delete;

    /// Takes `n`, or none; see @ref RateLimiter. For a clock that has not yet seen the
    /// window begin that others are in, nothing is left.
    Admission try_acquire(std::uint32_t n = 1, TimePoint now = Clock::now()) noexcept {
        return word_.try_acquire(n, now);
    }

    /// Tells what @ref try_acquire would answer. Takes nothing.
    Admission peek(std::uint32_t n = 1, TimePoint now = Clock::now()) const noexcept {
        return word_.peek(n, now);
    }

    /// Tells what is left of the window. Takes nothing.
    LimiterSnapshot snapshot(TimePoint now = Clock::now()) const noexcept {
        return word_.snapshot(now);
    }

    /// Gives back `n` that were admitted together at `taken_at` and not used. Once only.
    /// @return False if their window is over.
    bool refund(std::uint32_t n, TimePoint taken_at) noexcept {
        return word_.refund(n, taken_at);
    }

    /** Gives the window other options, at once and for all who share it. Does nothing if
        they are those that it has.

        What was taken in the window that `now` is in counts in the new window that it is
        in, whenever that began, and can no longer be refunded, nor can what is taken
       while the change is under way. So a change alone makes no room: there is less than
       before, or more by as much as the limit is higher.

        What is replaced, less than 300 bytes, is kept until the window is destroyed,
       since calls may be reading it, so it is refused after a thousand times.

        @throws std::invalid_argument Names the field of `options` that is out of range;
            nothing has changed then.
        @throws std::length_error The options were replaced 1,000 times; nothing has
            changed then.
        @throws std::bad_alloc Nothing has changed then.

        @par Thread safety
        Safe; two changes at once take place in turn. Those who take meanwhile do so by
       the old options or by the new ones, and never wait.
    */
    void reconfigure(const FixedWindowOptions& options, TimePoint now = Clock::now()) {
        word_.replace(make_law(options), options, detail::nanoseconds_of(now));
    }

    /// The options that the window has.
    FixedWindowOptions options() const noexcept { return word_.options(); }

    static Law make_law(const FixedWindowOptions& options) {
        return Law{options.limit, options.window, options.offset, "FixedWindowOptions"};
    }

private:
    detail::LawfulWord<Law, FixedWindowOptions> word_;
};

}  // namespace resilience

#endif
