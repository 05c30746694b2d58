// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_FIXED_WINDOW_LAW_HPP
#define RESILIENCE_DETAIL_FIXED_WINDOW_LAW_HPP

#include <resilience/admission.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/limit_law.hpp>
#include <resilience/detail/window_clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace resilience::detail {

/** Decides for a counter that begins anew in each window.

    The windows are laid end to end, with places for the highest limit that one of this
    length may have, and the word is the place after the last one taken: `index * places +
    count`. So it means the same by every limit. A window of which all places are taken
   and the next one that is empty are the same word, and mean the same. Windows in which
    nothing was taken are skipped by a maximum, so states merge monotonically: for a clock
    that is late, the window is over.
*/
class FixedWindowLaw {
public:
    using Moment = WindowClock::Moment;

    struct Start {
        std::int64_t word = 0;
        std::int64_t index = 0;   // of the window in which the law began
        std::int64_t beyond = 0;  // taken in it before, more than the limit
    };

    FixedWindowLaw(
        std::uint32_t limit,
        std::chrono::nanoseconds window,
        std::chrono::nanoseconds offset,
        const std::string& options
    )
        : clock_{window, offset, options},
          limit_{limit},
          places_{std::min<std::int64_t>(window.count(), ~std::uint32_t{0})} {
        if (limit == 0 || limit > window.count()) {
            throw std::invalid_argument{
                options +
                "::limit must be in 1 to one for each nanosecond of the window"};
        }
    }

    std::uint32_t limit() const noexcept { return limit_; }
    const WindowClock& clock() const noexcept { return clock_; }

    Moment moment(std::int64_t ns) const noexcept { return clock_.moment(ns); }

    /// The latest word that is as good as none.
    std::int64_t idle(Moment now) const noexcept { return now.index * places_; }

    Taking take(std::int64_t word, std::uint32_t n, Moment now) const noexcept {
        const std::int64_t next = std::max(word, idle(now)) + n;
        if (next <= idle(now) + limit_) return {next, Admission::admit()};
        // No later than the next window, unless the clock is late.
        const std::int64_t index = std::max(now.index, (word - 1) / places_);
        const bool fits = word + n <= index * places_ + limit_;
        return {next, Admission::refuse(clock_.until(now, index + (fits ? 0 : 1), 0))};
    }

    /// Gives back `n` places that were taken at `taken`, if their window is not over; but
    /// none of those that the law began with, in the word `first`.
    std::int64_t undo(
        std::int64_t word, std::uint32_t n, Moment taken, std::int64_t first
    ) const noexcept {
        const std::int64_t count = word - std::max(idle(taken), first);
        return count >= n && word - idle(taken) <= places_ ? word - n : word;
    }

    LimiterSnapshot snapshot(std::int64_t word, Moment now) const noexcept {
        const std::int64_t left = idle(now) + limit_ - std::max(word, idle(now));
        LimiterSnapshot seen{.limit = limit_};
        seen.available = static_cast<std::uint32_t>(std::max<std::int64_t>(left, 0));
        if (left == limit_) return seen;
        seen.until_next = take(word, seen.available + 1, now).answer.retry_after;
        seen.until_full = take(word, limit_, now).answer.retry_after;
        return seen;
    }

    /** What becomes of a word of the law `old`, which started from `start`, at the
        instant `at`: as much is taken in the window that this law is in then.
    */
    Start carried(
        const FixedWindowLaw& old, std::int64_t word, const Start& start, std::int64_t at
    ) const noexcept {
        std::int64_t index = old.moment(at).index;
        if (word > (index + 1) * old.places_) {  // the change comes with a late clock
            index = (word - 1) / old.places_;
            at = old.clock_.begin_of(index);
        }
        std::int64_t taken = std::max<std::int64_t>(word - index * old.places_, 0);
        if (index == start.index) taken += start.beyond;
        const Moment now = moment(at);
        const std::int64_t counted = std::min<std::int64_t>(taken, limit_);
        return {idle(now) + counted, now.index, taken - counted};
    }

    /// A state that is not less strict than either.
    static std::int64_t join(std::int64_t a, std::int64_t b) noexcept {
        return std::max(a, b);
    }

private:
    WindowClock clock_;
    std::uint32_t limit_;
    std::int64_t places_;  // of a window
};

}  // namespace resilience::detail

#endif
