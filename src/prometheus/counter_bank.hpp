// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_COUNTER_BANK_HPP
#define RESILIENCE_SRC_PROMETHEUS_COUNTER_BANK_HPP

#include <resilience/detail/thread_stripe.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace resilience::prometheus::detail {

/// Counters that many threads add to, each of them in a stripe that it shares with few.
class CounterBank {
public:
    static constexpr std::size_t kWidth = 128;

    void add(std::size_t counter, std::uint64_t amount = 1) noexcept {
        Stripe& mine =
            stripes_[resilience::detail::thread_stripe() >> (32 - kStripeBits)];
        mine.counters[counter].fetch_add(amount, std::memory_order_relaxed);
    }

    /// The sum at some instant during the call. Calls that come one after the other
    /// return sums that never fall.
    std::uint64_t sum(std::size_t counter) const noexcept {
        std::uint64_t sum = 0;
        for (const Stripe& stripe : stripes_) {
            sum += stripe.counters[counter].load(std::memory_order_relaxed);
        }
        return sum;
    }

private:
    static constexpr int kStripeBits = 2;

    struct alignas(64) Stripe {
        std::array<std::atomic<std::uint64_t>, kWidth> counters{};
    };

    std::array<Stripe, 1 << kStripeBits> stripes_{};
};

}  // namespace resilience::prometheus::detail

#endif
