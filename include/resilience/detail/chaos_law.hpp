// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CHAOS_LAW_HPP
#define RESILIENCE_DETAIL_CHAOS_LAW_HPP

#include <resilience/error.hpp>
#include <resilience/random.hpp>

#include <chrono>
#include <cstdint>

namespace resilience {

/// What a @ref Chaos does to one call.
struct ChaosAction {
    /// What takes the place of the call.
    enum class Instead : std::uint8_t {
        /// Nothing: the call is made.
        nothing,
        /// A failure.
        fault,
        /// The outcome that the policy was given.
        outcome
    };

    /// How long the call waits first.
    std::chrono::nanoseconds latency{0};

    Instead instead = Instead::nothing;

    /// Whether anything is done to the call at all.
    constexpr explicit operator bool() const noexcept {
        return latency.count() > 0 || instead != Instead::nothing;
    }

    friend constexpr bool operator==(const ChaosAction&, const ChaosAction&) = default;
};

namespace detail {

/// The dice: a pure function of the rates and of random bits.
struct ChaosLaw {
    double fault_rate = 0;
    double outcome_rate = 0;
    double latency_rate = 0;
    std::int64_t latency = 0;  // nanoseconds, as the next
    std::int64_t latency_spread = 0;

    constexpr ChaosAction decide(std::uint64_t random) const noexcept {
        Random dice{random};
        ChaosAction action;
        const double instead = fraction_of(dice());
        if (instead < fault_rate) {
            action.instead = ChaosAction::Instead::fault;
        } else if (instead < fault_rate + outcome_rate) {
            action.instead = ChaosAction::Instead::outcome;
        }
        if (fraction_of(dice()) < latency_rate) {
            const double spread = static_cast<double>(latency_spread);
            const auto extra = static_cast<std::int64_t>(spread * fraction_of(dice()));
            action.latency = std::chrono::nanoseconds{latency + extra};
        }
        return action;
    }
};

}  // namespace detail
}  // namespace resilience

#endif
