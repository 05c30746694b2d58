// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SLIDING_WINDOW_HPP
#define RESILIENCE_SLIDING_WINDOW_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/lawful_word.hpp>
#include <resilience/detail/sliding_window_law.hpp>

#include <chrono>
#include <cstdint>

namespace resilience {

/// How much a sliding window lets through.
struct SlidingWindowOptions {
    /// Most that is admitted in a window. At least 1, and its bits are at most half of
    /// those of the window in nanoseconds: 32,767 in 1 s, 262,143 in 1 min, 2,097,151 in
    /// 1 h. Default 100.
    std::uint32_t limit = 100;

    /// Length of the window. Positive, at most 18 years; default 1 s.
    std::chrono::nanoseconds window = std::chrono::seconds{1};

    friend bool operator==(const SlidingWindowOptions&, const SlidingWindowOptions&) =
        default;
};

/** Limits how much happens in the last second (or minute, or day), wherever one looks.

    Time is cut into fixed windows and two of them are counted, the current one and the
   one before; of the latter counts the share that a window ending now still covers, as if
   its calls had been spread evenly. That is an estimate. What is certain: over any
   stretch of time `w`, no more than `limit * (1 + w / window)` are admitted, and never
   more than `limit` in one fixed window; unlike with @ref FixedWindow there is no instant
   at which two limits go at once. Against a list of every call, the estimate is off by
   less than the count of the window before.

    All that changes is one 64-bit word, whatever the limit: no list of calls, no timer,
   no lock. A @ref TokenBucket with the same numbers keeps to the same bound; it gives
   back what was taken steadily, where a window forgets a burst as it slides past.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. A refusal writes nothing.

    @par Example
    @code
    SlidingWindow window{{.limit = 600, .window = std::chrono::minutes{1}}};
    if (Admission a = window.try_acquire(); !a) return busy(a.retry_after);
    @endcode
*/
class alignas(64) SlidingWindow {
public:
    using Options = SlidingWindowOptions;
    using Law = detail::SlidingWindowLaw;

    /** Makes a window in which nothing has happened.
        @throws std::invalid_argument Names the field of `options` that is out of range.
    */
    explicit SlidingWindow(const SlidingWindowOptions& options = {})
        : word_{make_law(options), options} {}

    SlidingWindow(const SlidingWindow&) = delete;
    SlidingWindow& operator=(const SlidingWindow&) = delete;

    /// Takes `n`, or none; see @ref RateLimiter. For a clock that is late by a window or
    /// more, and one that has not yet seen the window begin that others are in, nothing
    /// is left.
    Admission try_acquire(std::uint32_t n = 1, TimePoint now = Clock::now()) noexcept {
        return word_.try_acquire(n, now);
    }

    /// Tells what @ref try_acquire would answer. Takes nothing.
    Admission peek(std::uint32_t n = 1, TimePoint now = Clock::now()) const noexcept {
        return word_.peek(n, now);
    }

    /// Tells what is left. Takes nothing.
    LimiterSnapshot snapshot(TimePoint now = Clock::now()) const noexcept {
        return word_.snapshot(now);
    }

    /// Gives back `n` that were admitted together at `taken_at` and not used. Once only.
    /// @return False if they no longer counted.
    bool refund(std::uint32_t n, TimePoint taken_at) noexcept {
        return word_.refund(n, taken_at);
    }

    /** Gives the window other options, at once and for all who share it. Does nothing if
        they are those that it has.

        With the same window, what was taken counts as before, at most the new limit for
        each of the two windows that are counted. With another, what still counts now is
        as if it were taken now. It can no longer be refunded, nor can what is taken while
        the change is under way. So a change alone makes no room: there is less than
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
    void reconfigure(const SlidingWindowOptions& options, TimePoint now = Clock::now()) {
        word_.replace(make_law(options), options, detail::nanoseconds_of(now));
    }

    /// The options that the window has.
    SlidingWindowOptions options() const noexcept { return word_.options(); }

    static Law make_law(const SlidingWindowOptions& options) {
        return Law{options.limit, options.window, "SlidingWindowOptions"};
    }

private:
    detail::LawfulWord<Law, SlidingWindowOptions> word_;
};

}  // namespace resilience

#endif
