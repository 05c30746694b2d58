// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_THREAD_STRIPE_HPP
#define RESILIENCE_DETAIL_THREAD_STRIPE_HPP

#include <cstdint>

namespace resilience::detail {

/// A number below 2^32 that stays the same for the calling thread and most likely differs
/// from that of other threads: where its variables lie, well mixed.
inline std::uint32_t thread_stripe() noexcept {
    static thread_local const char here = 0;
    const auto address =
        static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&here));
    return static_cast<std::uint32_t>(address * 0x9e3779b97f4a7c15 >> 32);
}

struct ThreadStripe {
    std::uint32_t operator()() const noexcept { return thread_stripe(); }
};

}  // namespace resilience::detail

#endif
