// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TSC_CLOCK_HPP
#define RESILIENCE_TSC_CLOCK_HPP

#include <resilience/clock.hpp>

#include <resilience/detail/tsc_counter.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace resilience {

/** Tells the time of a reference clock by a counter that is cheaper to read.

    The counter's rate is measured against the reference: for the first 10 ms the
   reference itself is read, and from then on once in 100 ms, to measure again. Until the
   next measurement the clock does not go further than 100 ms, so it cannot run away. If
   the counter is found to be off by more than one in a thousand (it was set back, or the
    machine was moved), the reference takes over and measuring begins anew; the third time
    in a row, for good. So it does from the start if the counter does not claim to run at
    one rate.

    The time never goes backwards on a thread, and between threads by no more than one
    reading takes, as long as the counters of the processors agree. It is apart from the
    reference by less than a microsecond as a rule.

    @tparam Counter Has `std::uint64_t read()` and `bool invariant()`; see @ref TscClock.
    @tparam Reference Has `TimePoint now()`.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe. Nobody waits: while one thread measures,
    others read the reference.

    @par Example
    @code
    TscClock clock;
    bucket.try_acquire(1, clock.now());
    @endcode
*/
template <class Counter, class Reference = Clock>
class alignas(64) CalibratedClock {
public:
    using duration = Clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = TimePoint;
    static constexpr bool is_steady = true;

    /// Begins to measure.
    explicit CalibratedClock(Counter counter = {}, Reference reference = {}) noexcept
        : counter_{counter}, reference_{reference} {
        measured_ = {counter_.read(), nanoseconds()};
        usable_.store(counter_.invariant());
        segments_[0].value.store(measured_.ns);
    }

    CalibratedClock(const CalibratedClock&) = delete;
    CalibratedClock& operator=(const CalibratedClock&) = delete;

    TimePoint now() const noexcept {
        const std::uint32_t sequence = sequence_.load(std::memory_order_acquire);
        const Segment& segment = segments_[sequence % 2];
        const std::uint64_t begin = segment.begin.load(std::memory_order_acquire);
        const std::uint64_t length = segment.length.load(std::memory_order_acquire);
        const std::uint64_t factor = segment.factor.load(std::memory_order_acquire);
        const std::int64_t value = segment.value.load(std::memory_order_acquire);
        const std::uint64_t since = counter_.read() - begin;
        const bool whole = sequence_.load(std::memory_order_relaxed) == sequence;
        if (since >= length || !whole) [[unlikely]]
            return measure();
        return time_of(value + static_cast<std::int64_t>(since * factor >> 32));
    }

    /// Whether the counter is used: false while its rate is being measured, and for good
    /// once it was found to be of no use.
    bool counting() const noexcept {
        const std::uint32_t sequence = sequence_.load(std::memory_order_acquire);
        return segments_[sequence % 2].length.load(std::memory_order_acquire) > 0;
    }

    /// Whether the counter is, or may yet be, used.
    bool usable() const noexcept { return usable_.load(std::memory_order_relaxed); }

private:
    static constexpr std::int64_t kFirst = 10'000'000;     // nanoseconds
    static constexpr std::int64_t kSegment = 100'000'000;  // nanoseconds
    static constexpr double kTolerance = 1e-3;
    static constexpr double kSlack = 10'000;  // nanoseconds, for one bad reading
    static constexpr int kMostFailures = 3;

    /// A straight line, for a while.
    struct Segment {
        std::atomic<std::uint64_t> begin{0};   // where the counter stood
        std::atomic<std::uint64_t> length{0};  // counts for which the line is good
        std::atomic<std::uint64_t> factor{0};  // nanoseconds a count, times 2^32
        std::atomic<std::int64_t> value{0};    // nanoseconds, at the beginning
    };

    /// Both clocks at once.
    struct Reading {
        std::uint64_t count = 0;
        std::int64_t ns = 0;
    };

    static TimePoint time_of(std::int64_t ns) noexcept {
        return TimePoint{
            std::chrono::duration_cast<duration>(std::chrono::nanoseconds{ns})};
    }

    std::int64_t nanoseconds() const noexcept {
        const auto since = reference_.now().time_since_epoch();
        return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
    }

    /// The time by the reference, not before any that the counter has told; measures the
    /// counter meanwhile if no other thread does.
    [[gnu::noinline]] TimePoint measure() const noexcept {
        if (usable() && !busy_.test_and_set(std::memory_order_acquire)) {
            const std::int64_t ns = renew();
            busy_.clear(std::memory_order_release);
            return time_of(ns);
        }
        for (;;) {
            const std::uint32_t sequence = sequence_.load(std::memory_order_acquire);
            const Told told = told_by(segments_[sequence % 2], counter_.read());
            const std::int64_t ns = told.running ? told.ns : nanoseconds();
            if (sequence_.load(std::memory_order_relaxed) == sequence) {
                return time_of(std::max(told.ns, ns));
            }
        }
    }

    struct Told {
        std::int64_t ns;
        bool running;
    };

    /// What a segment tells at a count: never more than at its end.
    static Told told_by(const Segment& segment, std::uint64_t count) noexcept {
        const std::uint64_t length = segment.length.load(std::memory_order_acquire);
        const std::uint64_t factor = segment.factor.load(std::memory_order_acquire);
        const std::uint64_t begin = segment.begin.load(std::memory_order_acquire);
        const std::int64_t value = segment.value.load(std::memory_order_acquire);
        const auto since = static_cast<std::int64_t>(count - begin);
        const std::uint64_t kept =
            since < 0 ? 0 : std::min(static_cast<std::uint64_t>(since), length);
        const std::int64_t ns = value + static_cast<std::int64_t>(kept * factor >> 32);
        return {ns, since >= 0 && kept < length};
    }

    /// Puts a new segment after the current one. One thread at a time.
    std::int64_t renew() const noexcept {
        const Segment& current = segments_[sequence_.load() % 2];
        const Reading now{counter_.read(), nanoseconds()};
        const std::uint64_t took = counter_.read() - now.count;
        const Told told = told_by(current, now.count);
        if (told.running) return told.ns;  // another thread has just been here
        const bool counted = current.length.load() > 0;
        const std::int64_t ns = std::max(told.ns, now.ns);
        const std::uint64_t counts = now.count - measured_.count;
        const auto apart = static_cast<double>(now.ns - measured_.ns);
        // A thread that was suspended in between has not read both clocks at once.
        if (now.ns - measured_.ns < kFirst || took > counts / 10'000) {
            return ns;
        }
        const double rate = apart / static_cast<double>(counts);
        const double error = std::abs(static_cast<double>(counts) * rate_ - apart);
        const bool sane = rate > 0.01 && rate < 100;
        measured_ = now;
        if (!sane || (counted && error > apart * kTolerance + kSlack)) {
            publish(now.count, 0, 0, ns);
            if (++failures_ == kMostFailures) usable_.store(false);
            return ns;
        }
        if (counted) failures_ = 0;
        rate_ = rate;
        // What it is ahead of the reference is made up for until the next measurement.
        const double ahead = static_cast<double>(ns - now.ns) / kSegment;
        const double slowed = rate * std::max(1 - ahead, 0.5);
        const auto length = static_cast<std::uint64_t>(kSegment / rate);
        publish(now.count, length, static_cast<std::uint64_t>(slowed * 0x1p32), ns);
        return ns;
    }

    void publish(
        std::uint64_t begin,
        std::uint64_t length,
        std::uint64_t factor,
        std::int64_t value
    ) const noexcept {
        const std::uint32_t next = sequence_.load() + 1;
        Segment& segment = segments_[next % 2];
        segment.begin.store(begin);
        segment.length.store(length);
        segment.factor.store(factor);
        segment.value.store(value);
        sequence_.store(next, std::memory_order_release);
    }

    mutable std::atomic<std::uint32_t> sequence_{0};  // of the segment in use
    mutable Segment segments_[2];
    [[no_unique_address]] Counter counter_;
    [[no_unique_address]] Reference reference_;

    mutable std::atomic<bool> usable_{false};
    mutable std::atomic_flag busy_;
    // Of the thread that measures:
    mutable Reading measured_;
    mutable double rate_ = 0;  // nanoseconds a count
    mutable int failures_ = 0;
};

/** Tells the time of @ref Clock by the processor's time-stamp counter, if that is
    invariant; else it is @ref Clock. On x86-64; elsewhere always the latter. Half the
   cost or less.
*/
using TscClock = CalibratedClock<detail::TscCounter>;

}  // namespace resilience

#endif
