// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TSC_COUNTER_HPP
#define RESILIENCE_DETAIL_TSC_COUNTER_HPP

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#define RESILIENCE_HAS_TSC 1
#else
#define RESILIENCE_HAS_TSC 0
#endif

#include <cstdint>

namespace resilience::detail {

/// The time-stamp counter of the processor; on other than x86-64 processors a counter
/// that says it is of no use.
struct TscCounter {
    /// Whether it runs at one rate in every state of the processor, by what that says.
    static bool invariant() noexcept {
#if RESILIENCE_HAS_TSC
        constexpr unsigned advanced_power_management = 0x80000007,
                           invariant_tsc = 1u << 8;
        unsigned a = 0, b = 0, c = 0, d = 0;
        return __get_cpuid(advanced_power_management, &a, &b, &c, &d) != 0 &&
               (d & invariant_tsc) != 0;
#else
        return false;
#endif
    }

    static std::uint64_t read() noexcept {
#if RESILIENCE_HAS_TSC
        return __builtin_ia32_rdtsc();
#else
        return 0;
#endif
    }
};

}  // namespace resilience::detail

#undef RESILIENCE_HAS_TSC

#endif
