// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_THREAD_STRIPE_HPP
#define RESILIENCE_DETAIL_THREAD_STRIPE_HPP

#include <atomic>
#include <cstdint>

namespace resilience::detail {

/// A number below 2^32 that stays the same for the calling thread. Threads that ask for
/// the first time one after the other are far apart, in the high bits of the number as in
/// the low ones: of 2^n such threads no two have the same n low bits.
inline std::uint32_t thread_stripe() noexcept {
    static std::atomic<std::uint32_t> threads{0};
    static thread_local std::uint32_t mine = 0;
    if (mine == 0) [[unlikely]] {
        mine = (threads.fetch_add(1, std::memory_order_relaxed) + 1) * 0x9e3779b9u;
    }
    return mine;
}

struct ThreadStripe {
    std::uint32_t operator()() const noexcept { return thread_stripe(); }
};

}  // namespace resilience::detail

#endif
