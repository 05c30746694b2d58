// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TIME_RING_HPP
#define RESILIENCE_DETAIL_TIME_RING_HPP

#include <resilience/call_window.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/time_bucket.hpp>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace resilience::detail {

/** The calls of the last few buckets of time, for any number of threads without a lock.

    @tparam Atomic `std::atomic`, or what a test puts in its place, which may throw.
*/
template <template <class> class Atomic>
class TimeRing {
public:
    /// @param width Nanoseconds of a bucket.
    /// @param buckets A power of two.
    /// @param stripes A power of two: copies of the buckets.
    TimeRing(std::uint64_t width, std::uint32_t buckets, std::uint32_t stripes)
        : width_{width},
          bias_{(static_cast<std::uint64_t>(kTimeLimit) / width + 1) * width},
          mask_{buckets - 1},
          shift_{static_cast<std::uint32_t>(std::countr_zero(buckets))},
          stripe_mask_{stripes - 1},
          lines_per_stripe_{(buckets + kWordsPerLine - 1) / kWordsPerLine},
          lines_{std::make_unique<Line[]>(std::size_t{stripes} * lines_per_stripe_)} {}

    bool is_striped() const { return stripe_mask_ != 0; }

    /// @param stripe Any number; its low bits choose.
    void record(
        std::uint32_t generation, CallOutcome outcome, TimePoint now, std::uint32_t stripe
    ) {
        const Place place = place_of(now);
        Atomic<std::uint64_t>& word = this->word(stripe & stripe_mask_, place.bucket);
        std::uint64_t seen = word.load(std::memory_order_relaxed);
        for (;;) {
            const TimeBucket next =
                TimeBucket{seen}.recorded(generation, place.lap, outcome);
            if (next.bits() == seen) return;
            // Sequentially consistent, as are the loads of counts(): of two threads that
            // record in different buckets and then count, one must see both.
            if (word.compare_exchange_weak(seen, next.bits())) return;
        }
    }

    CallCounts counts(std::uint32_t generation, TimePoint now) const {
        const Place place = place_of(now);
        CallCounts sum;
        for (std::uint32_t stripe = 0; stripe <= stripe_mask_; ++stripe) {
            for (std::uint32_t bucket = 0; bucket <= mask_; ++bucket) {
                const TimeBucket b{word(stripe, bucket).load()};
                const std::uint64_t lap =
                    bucket <= place.bucket ? place.lap : place.lap - 1;
                if (!b.is_of(generation, lap)) continue;
                const CallCounts c = b.counts();
                sum.calls += c.calls;
                sum.failures += c.failures;
                sum.slow += c.slow;
            }
        }
        return sum;
    }

    void forget(std::uint32_t generation) {
        for (std::uint32_t stripe = 0; stripe <= stripe_mask_; ++stripe) {
            for (std::uint32_t bucket = 0; bucket <= mask_; ++bucket) {
                Atomic<std::uint64_t>& word = this->word(stripe, bucket);
                std::uint64_t seen = word.load();
                while (TimeBucket{seen}.is_of(generation) &&
                       !word.compare_exchange_weak(seen, 0)) {
                }
            }
        }
    }

private:
    static constexpr std::uint32_t kWordsPerLine = 8;

    struct alignas(64) Line {
        Atomic<std::uint64_t> words[kWordsPerLine];
    };

    struct Place {
        std::uint64_t lap;
        std::uint32_t bucket;
    };

    Place place_of(TimePoint now) const {
        const std::uint64_t at = bias_ + static_cast<std::uint64_t>(nanoseconds_of(now));
        const std::uint64_t step = at / width_;
        return {step >> shift_, static_cast<std::uint32_t>(step) & mask_};
    }

    Atomic<std::uint64_t>& word(std::uint32_t stripe, std::uint32_t bucket) const {
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

}  // namespace resilience::detail

#endif
