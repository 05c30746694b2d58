// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TIME_WINDOW_HPP
#define RESILIENCE_TIME_WINDOW_HPP

#include <resilience/call_window.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/thread_stripe.hpp>
#include <resilience/detail/time_bucket.hpp>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
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
    explicit TimeWindow(const TimeWindowOptions& options = {});

    /// Counts a call that ended at `now`; one that is older than the window is left out.
    void record(std::uint32_t generation, CallOutcome outcome, TimePoint now) noexcept;

    /// Tells what is remembered at `now` of calls of that generation.
    CallCounts counts(std::uint32_t generation, TimePoint now) const noexcept;

    /// Forgets the calls of one generation, and leaves all others alone.
    void forget(std::uint32_t generation) noexcept;

private:
    static constexpr std::uint32_t kWordsPerLine = 8;

    struct alignas(64) Line {
        std::atomic<std::uint64_t> words[kWordsPerLine];
    };

    struct Place {
        std::uint64_t lap;
        std::uint32_t bucket;
    };

    static std::uint64_t checked_width(const TimeWindowOptions& options);

    Place place_of(TimePoint now) const noexcept {
        const std::uint64_t at =
            bias_ + static_cast<std::uint64_t>(detail::nanoseconds_of(now));
        const std::uint64_t step = at / width_;
        return {step >> shift_, static_cast<std::uint32_t>(step) & mask_};
    }

    std::atomic<std::uint64_t>& word(std::uint32_t stripe, std::uint32_t bucket)
        const noexcept {
        Line& line = lines_[stripe * lines_per_stripe_ + bucket / kWordsPerLine];
        return line.words[bucket % kWordsPerLine];
    }

    std::uint64_t width_;  // nanoseconds
    std::uint64_t bias_;   // whole buckets that make every instant positive
    std::uint32_t mask_;
    std::uint32_t shift_;
    std::uint32_t stripe_mask_;
    std::uint32_t lines_per_stripe_;
    std::unique_ptr<Line[]> lines_;
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

inline TimeWindow::TimeWindow(const TimeWindowOptions& options)
    : width_{checked_width(options)},
      bias_{(static_cast<std::uint64_t>(detail::kTimeLimit) / width_ + 1) * width_},
      mask_{options.buckets - 1},
      shift_{static_cast<std::uint32_t>(std::countr_zero(options.buckets))},
      stripe_mask_{options.stripes - 1},
      lines_per_stripe_{(options.buckets + kWordsPerLine - 1) / kWordsPerLine},
      lines_{std::make_unique<Line[]>(std::size_t{options.stripes} * lines_per_stripe_)} {
}

inline void TimeWindow::record(
    std::uint32_t generation, CallOutcome outcome, TimePoint now
) noexcept {
    const Place place = place_of(now);
    const std::uint32_t stripe = stripe_mask_ == 0 ? 0 : detail::thread_stripe();
    std::atomic<std::uint64_t>& word = this->word(stripe & stripe_mask_, place.bucket);
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    for (;;) {
        const detail::TimeBucket next =
            detail::TimeBucket{seen}.recorded(generation, place.lap, outcome);
        if (next.bits() == seen) return;
        // Sequentially consistent, as are the loads of counts(): of two threads that
        // record in different buckets and then count, one must see both.
        if (word.compare_exchange_weak(seen, next.bits())) return;
    }
}

inline CallCounts TimeWindow::counts(std::uint32_t generation, TimePoint now)
    const noexcept {
    const Place place = place_of(now);
    CallCounts sum;
    for (std::uint32_t stripe = 0; stripe <= stripe_mask_; ++stripe) {
        for (std::uint32_t bucket = 0; bucket <= mask_; ++bucket) {
            const detail::TimeBucket b{word(stripe, bucket).load()};
            const std::uint64_t lap = bucket <= place.bucket ? place.lap : place.lap - 1;
            if (!b.is_of(generation, lap)) continue;
            const CallCounts c = b.counts();
            sum.calls += c.calls;
            sum.failures += c.failures;
            sum.slow += c.slow;
        }
    }
    return sum;
}

inline void TimeWindow::forget(std::uint32_t generation) noexcept {
    for (std::uint32_t stripe = 0; stripe <= stripe_mask_; ++stripe) {
        for (std::uint32_t bucket = 0; bucket <= mask_; ++bucket) {
            std::atomic<std::uint64_t>& word = this->word(stripe, bucket);
            std::uint64_t seen = word.load();
            while (detail::TimeBucket{seen}.is_of(generation) &&
                   !word.compare_exchange_weak(seen, 0)) {
            }
        }
    }
}

static_assert(CallWindow<TimeWindow>);

}  // namespace resilience

#endif
