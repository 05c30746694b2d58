// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SLIDING_WINDOW_LAW_HPP
#define RESILIENCE_DETAIL_SLIDING_WINDOW_LAW_HPP

#include <resilience/admission.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/divisor.hpp>
#include <resilience/detail/limit_law.hpp>
#include <resilience/detail/window_clock.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace resilience::detail {

/** Decides for a sliding window that is made of two fixed ones: the count of the one
    before is weighted with the part of it that the sliding window still covers.

    The word is the number of the current window and the two counts, side by side, in as
    many bits as the length of the window leaves room for: so it means the same by every
    limit, and a count may be above one that was lowered. Weights
    are counted in ticks of `2^shift` nanoseconds, so that the product of a weight and a
    count fits into 64 bits; they are rounded such that the window before weighs a little
    too much rather than too little.
*/
class SlidingWindowLaw {
public:
    using Moment = WindowClock::Moment;

    struct Counts {
        std::int64_t index = 0;    // of the current window
        std::int64_t current = 0;  // taken in it
        std::int64_t before = 0;   // taken in the one before
    };

    struct Start {
        std::int64_t word = 0;
        Counts beyond{};  // taken before, more than the limit
    };

    SlidingWindowLaw(
        std::uint32_t limit, std::chrono::nanoseconds window, const std::string& options
    )
        : clock_{window, std::chrono::nanoseconds{0}, options},
          limit_{limit},
          bits_{std::min(31, (63 - width_of(clock_.last_index())) / 2)} {
        if (limit == 0 || width_of(limit) > bits_) {
            throw std::invalid_argument{
                options +
                "::limit must be at least 1, and less than the root of the window in "
                "nanoseconds (32,767 in 1 s): choose a TokenBucket for more"};
        }
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 2;
        while (ticks() > most / limit_) ++shift_;
    }

    std::uint32_t limit() const noexcept { return limit_; }
    const WindowClock& clock() const noexcept { return clock_; }

    /// The nanoseconds of a tick, of which the window is divided into @ref ticks.
    std::int64_t tick() const noexcept { return std::int64_t{1} << shift_; }
    std::int64_t ticks() const noexcept { return ((clock_.window() - 1) >> shift_) + 1; }

    Moment moment(std::int64_t ns) const noexcept { return clock_.moment(ns); }

    std::int64_t idle(Moment now) const noexcept {
        return word_of({now.index - 1, 0, 0}) - 1;
    }

    Taking take(std::int64_t word, std::uint32_t n, Moment now) const noexcept {
        Counts counts = counts_of(word);
        if (counts.index > now.index) [[unlikely]]
            return {word, Admission::refuse(wait_of_late(counts, n, now))};
        counts = moved_on(counts, now.index);
        const std::int64_t left = room(counts) - n;
        if (left < 0 || left * ticks() < at_most_full(counts.before) * weight(now)) {
            return {word, Admission::refuse(wait(counts, n, now))};
        }
        counts.current += n;
        return {word_of(counts), Admission::admit()};
    }

    /// Gives back `n` that were taken at `taken`, if they still count; but none of those
    /// that the law began with, in the word `first`.
    std::int64_t undo(
        std::int64_t word, std::uint32_t n, Moment taken, std::int64_t first
    ) const noexcept {
        Counts counts = counts_of(word);
        const Counts began = counts_of(first);
        if (taken.index < began.index) return word;
        const std::int64_t least = (taken.index == began.index ? began.current : 0) + n;
        if (counts.index == taken.index && counts.current >= least) counts.current -= n;
        if (counts.index == taken.index + 1 && counts.before >= least) counts.before -= n;
        return word_of(counts);
    }

    LimiterSnapshot snapshot(std::int64_t word, Moment now) const noexcept {
        LimiterSnapshot seen{.limit = limit_};
        Counts counts = counts_of(word);
        if (counts.index <= now.index) {
            counts = moved_on(counts, now.index);
            const std::int64_t all = room(counts) * ticks();
            const std::int64_t left = all - at_most_full(counts.before) * weight(now);
            if (left > 0) seen.available = static_cast<std::uint32_t>(left / ticks());
        }
        if (seen.available == limit_) return seen;
        seen.until_next = take(word, seen.available + 1, now).answer.retry_after;
        seen.until_full = take(word, limit_, now).answer.retry_after;
        return seen;
    }

    /** What becomes of a word of the law `old`, which started from `start`, at the
        instant `at`: the same counts. If windows are no longer the same ones, all that
        still counted was taken in the current one.
    */
    Start carried(
        const SlidingWindowLaw& old,
        std::int64_t word,
        const Start& start,
        std::int64_t at
    ) const noexcept {
        Moment now = old.moment(at);
        Counts counts = old.counts_of(word);
        if (counts.index > now.index) {  // the change comes with a late clock
            now = {counts.index, 0};
            at = old.clock_.begin_of(counts.index);
        }
        counts = moved_on(counts, now.index);
        const Counts beyond = moved_on(start.beyond, now.index);
        counts.current += beyond.current;
        counts.before += beyond.before;
        if (!clock_.same_as(old.clock_)) {
            const std::int64_t past = old.ticks() - old.weight(now);
            counts.current +=
                counts.before - multiply_divide(counts.before, past, old.ticks());
            counts.before = 0;
            counts.index = moment(at).index;
        }
        const Counts counted{
            counts.index,
            std::min<std::int64_t>(counts.current, limit_),
            std::min<std::int64_t>(counts.before, limit_)};
        counts.current -= counted.current;
        counts.before -= counted.before;
        return {word_of(counted), counts};
    }

    std::int64_t join(std::int64_t a, std::int64_t b) const noexcept {
        const std::int64_t index = std::max(counts_of(a).index, counts_of(b).index);
        const Counts x = moved_on(counts_of(a), index);
        const Counts y = moved_on(counts_of(b), index);
        return word_of(
            {index, std::max(x.current, y.current), std::max(x.before, y.before)}
        );
    }

private:
    static constexpr int width_of(std::int64_t number) noexcept {
        return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(number)));
    }

    Counts counts_of(std::int64_t word) const noexcept {
        const std::int64_t mask = (std::int64_t{1} << bits_) - 1;
        return {word >> (2 * bits_), (word >> bits_) & mask, word & mask};
    }

    std::int64_t word_of(const Counts& counts) const noexcept {
        return (counts.index << bits_ | counts.current) << bits_ | counts.before;
    }

    static Counts moved_on(const Counts& counts, std::int64_t index) noexcept {
        if (index == counts.index) return counts;
        return {index, 0, index == counts.index + 1 ? counts.current : 0};
    }

    std::int64_t room(const Counts& counts) const noexcept {
        return limit_ - counts.current;
    }

    /// A window in which more was taken than the limit is now weighs as a full one.
    std::int64_t at_most_full(std::int64_t count) const noexcept {
        return std::min<std::int64_t>(count, limit_);
    }

    /// Ticks of the window before that are still within the sliding one.
    std::int64_t weight(Moment now) const noexcept {
        return ticks() - (std::max<std::int64_t>(now.into, 0) >> shift_);
    }

    /// Nanoseconds into a window from which on `n` fit, if `before` were taken in the one
    /// before and `room` is left beside them.
    std::int64_t into(std::int64_t before, std::int64_t room) const noexcept {
        const std::int64_t tick = ticks() - room * ticks() / before;
        return tick > (clock_.window() - 1) >> shift_ ? clock_.window() : tick << shift_;
    }

    /// The least time until `n` fit, which they do not do now.
    std::chrono::nanoseconds wait(const Counts& counts, std::uint32_t n, Moment now)
        const noexcept {
        const std::int64_t left = room(counts) - n;
        const std::int64_t before = at_most_full(counts.before);
        if (left >= 0) return clock_.until(now, now.index, into(before, left));
        const std::int64_t current = at_most_full(counts.current);
        const std::int64_t later = into(current, std::int64_t{limit_} - n);
        return clock_.until(now, now.index + 1, later);
    }

    std::chrono::nanoseconds wait_of_late(
        const Counts& counts, std::uint32_t n, Moment now
    ) const noexcept {
        const Moment begin{counts.index, 0};
        const Taking then = take(word_of(counts), n, begin);
        return clock_.until(now, counts.index, 0) + then.answer.retry_after;
    }

    WindowClock clock_;
    std::uint32_t limit_;
    int bits_;
    int shift_ = 0;
};

}  // namespace resilience::detail

#endif
