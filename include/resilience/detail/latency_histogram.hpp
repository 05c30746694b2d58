// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LATENCY_HISTOGRAM_HPP
#define RESILIENCE_DETAIL_LATENCY_HISTOGRAM_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace resilience::detail {

/// Buckets for times from 1 us to 18 min, eight to each doubling: 12.5 % wide at most.
struct LatencyScale {
    static constexpr int kUnitBits = 10;  // the unit is 1.024 us
    static constexpr int kTopBit = 29;
    static constexpr std::uint64_t kMost = (std::uint64_t{1} << (kTopBit + 1)) - 1;
    static constexpr std::size_t kBuckets = (kTopBit - 2) * 8 + 8;

    static constexpr std::size_t bucket_of(std::chrono::nanoseconds time) noexcept {
        const auto ns =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count()));
        const std::uint64_t units = std::min(ns >> kUnitBits, kMost);
        if (units < 8) return static_cast<std::size_t>(units);
        const int exponent = static_cast<int>(std::bit_width(units)) - 1;
        const std::uint64_t eighth = (units >> (exponent - 3)) & 7;
        return static_cast<std::size_t>(exponent - 2) * 8 + eighth;
    }

    /// The least time that is above all times of the bucket.
    static constexpr std::chrono::nanoseconds end_of(std::size_t bucket) noexcept {
        std::uint64_t units = bucket + 1;
        if (bucket >= 8) units = (9 + bucket % 8) << (bucket / 8 - 1);
        return std::chrono::nanoseconds{static_cast<std::int64_t>(units << kUnitBits)};
    }

    /// A time that no more than the share `1 - q` of what was counted took longer than.
    static constexpr std::chrono::nanoseconds quantile(
        std::span<const std::uint32_t, kBuckets> counts, double q
    ) noexcept {
        std::uint64_t total = 0;
        for (const std::uint32_t n : counts) total += n;
        const double wanted = q * static_cast<double>(total);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            seen += counts[i];
            if (seen > 0 && static_cast<double>(seen) >= wanted) return end_of(i);
        }
        return end_of(kBuckets - 1);
    }
};

/** Counts how long calls take, and forgets old ones by halves.

    @par Thread safety
    Safe, lock-free.
*/
class LatencyHistogram {
public:
    /// Calls after which all counts are halved; for a moment, threads may count a few
    /// more.
    static constexpr std::uint32_t kMemory = 2048;

    void record(std::chrono::nanoseconds time) noexcept {
        counts_[LatencyScale::bucket_of(time)].fetch_add(1, std::memory_order_relaxed);
        const auto total = total_.fetch_add(1, std::memory_order_relaxed) + 1;
        // One thread at a time; what comes meanwhile is left to the next record.
        if (total < kMemory || halving_.exchange(true, std::memory_order_acquire)) return;
        if (size() >= kMemory) halve();
        halving_.store(false, std::memory_order_release);
    }

    std::uint32_t size() const noexcept { return total_.load(std::memory_order_relaxed); }

    std::chrono::nanoseconds quantile(double q) const noexcept {
        std::array<std::uint32_t, LatencyScale::kBuckets> counts;
        for (std::size_t i = 0; i < counts.size(); ++i) {
            counts[i] = counts_[i].load(std::memory_order_relaxed);
        }
        return LatencyScale::quantile(counts, q);
    }

private:
    void halve() noexcept {
        std::uint32_t forgotten = 0;
        for (auto& count : counts_) {
            const std::uint32_t half = count.load(std::memory_order_relaxed) / 2;
            count.fetch_sub(half, std::memory_order_relaxed);
            forgotten += half;
        }
        total_.fetch_sub(forgotten, std::memory_order_relaxed);
    }

    std::array<std::atomic<std::uint32_t>, LatencyScale::kBuckets> counts_{};
    std::atomic<std::uint32_t> total_{0};
    std::atomic<bool> halving_{false};
};

}  // namespace resilience::detail

#endif
