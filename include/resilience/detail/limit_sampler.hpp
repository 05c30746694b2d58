// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LIMIT_SAMPLER_HPP
#define RESILIENCE_DETAIL_LIMIT_SAMPLER_HPP

#include <resilience/detail/adaptive_law.hpp>
#include <resilience/detail/sync.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace resilience::detail {

/// Gathers the calls that end, from many threads, in two words; and in a third what was
/// cut off those that took far longer than others.
class LimitSampler {
public:
    /// Most calls of a window; further ones are not counted.
    static constexpr std::uint64_t kMost = 0xffff;

    /// @param longest What of a duration counts; see @ref AdaptiveLaw::longest.
    void add(
        LimitSample sample,
        std::chrono::nanoseconds took,
        std::chrono::nanoseconds longest,
        std::uint32_t in_flight
    ) noexcept {
        if (sample == LimitSample::duration) add_duration(took, longest);
        add_mark(sample == LimitSample::drop, in_flight);
    }

    /// Calls gathered, whether they succeeded or were dropped.
    std::uint32_t ends() const noexcept {
        return samples_of(durations_.load(std::memory_order_relaxed)) +
               drops_of(marks_.load(std::memory_order_relaxed));
    }

    /// What was gathered until now.
    LimitWindow so_far() const noexcept {
        return window_of(
            durations_.load(std::memory_order_relaxed),
            cut_.load(std::memory_order_relaxed),
            marks_.load(std::memory_order_relaxed)
        );
    }

    /// What was gathered; the next window begins empty.
    LimitWindow take() noexcept {
        const Word durations = durations_.exchange(0, std::memory_order_relaxed);
        const Word cut = cut_.exchange(0, std::memory_order_relaxed);
        const Word marks = marks_.exchange(0, std::memory_order_relaxed);
        return window_of(durations, cut, marks);
    }

private:
    using Word = std::uint64_t;

    // `[samples:16|sum:48]`: the sum of that many of the longest durations fits.
    static constexpr std::chrono::nanoseconds kGrain{64};
    static constexpr Word kLongest = 0xffffffff;
    static constexpr Word kSample = Word{1} << 48;
    static constexpr Word kSumMask = kSample - 1;
    // `[drops:32|peak:32]`
    static constexpr Word kDrop = Word{1} << 32;

    static LimitWindow window_of(Word durations, Word cut, Word marks) noexcept {
        LimitWindow w{
            .samples = samples_of(durations),
            .drops = drops_of(marks),
            .peak = static_cast<std::uint32_t>(marks)};
        if (w.samples > 0) {
            const Word mean = (durations & kSumMask) / w.samples;
            w.mean = std::max<std::chrono::nanoseconds>(mean * kGrain, kGrain);
            w.cut = cut / w.samples * kGrain;
        }
        return w;
    }

    static constexpr std::uint32_t samples_of(Word durations) noexcept {
        return static_cast<std::uint32_t>(durations >> 48);
    }
    static constexpr std::uint32_t drops_of(Word marks) noexcept {
        return static_cast<std::uint32_t>(marks >> 32);
    }

    static constexpr Word grains_of(std::chrono::nanoseconds took) noexcept {
        const auto grains = static_cast<Word>(std::max<std::int64_t>(took / kGrain, 0));
        return std::min(grains, kLongest);
    }

    void add_duration(
        std::chrono::nanoseconds took, std::chrono::nanoseconds longest
    ) noexcept {
        const Word grains = grains_of(std::min(took, longest));
        Word seen = durations_.load(std::memory_order_relaxed);
        do {
            if (samples_of(seen) == kMost) return;
        } while (!durations_.compare_exchange_weak(
            seen, seen + kSample + grains, std::memory_order_relaxed
        ));
        if (took > longest)
            cut_.fetch_add(grains_of(took) - grains, std::memory_order_relaxed);
    }

    void add_mark(bool dropped, std::uint32_t in_flight) noexcept {
        Word seen = marks_.load(std::memory_order_relaxed);
        for (;;) {
            const Word peak = std::max<Word>(static_cast<std::uint32_t>(seen), in_flight);
            const bool counted = dropped && drops_of(seen) < kMost;
            const Word next = (seen & ~(kDrop - 1)) + peak + (counted ? kDrop : 0);
            if (next == seen ||
                marks_.compare_exchange_weak(seen, next, std::memory_order_relaxed))
                return;
        }
    }

    Atomic<Word> durations_{0};
    Atomic<Word> cut_{0};  // grains
    Atomic<Word> marks_{0};
};

}  // namespace resilience::detail

#endif
