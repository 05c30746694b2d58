// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BREAKER_SETTINGS_HPP
#define RESILIENCE_DETAIL_BREAKER_SETTINGS_HPP

#include <resilience/circuit_breaker_options.hpp>
#include <resilience/classify.hpp>

#include <resilience/detail/breaker_law.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <variant>

namespace resilience::detail {

/// The end of a call as a breaker sees it.
struct JudgedEnd {
    Verdict verdict;
    bool slow;

    constexpr bool counts() const noexcept {
        return verdict != Verdict::ignored && verdict != Verdict::abandoned;
    }

    friend constexpr bool operator==(const JudgedEnd&, const JudgedEnd&) = default;
};

/// Judges the ends of calls, one by one and together.
struct TripRule {
    double failure_ratio = 0;
    double slow_ratio = 0;
    std::int64_t slow_after = 0;  // nanoseconds
    std::uint32_t min_calls = 1;
    std::uint32_t consecutive_failures = 0;
    bool count_slow_abandoned = false;

    constexpr JudgedEnd judge(Verdict verdict, std::int64_t lasted) const noexcept {
        const bool slow =
            verdict == Verdict::slow || (slow_after > 0 && lasted >= slow_after);
        if (verdict == Verdict::ignored) return {verdict, false};
        if (verdict == Verdict::abandoned) {
            if (slow && count_slow_abandoned) return {Verdict::slow, true};
            return {verdict, false};
        }
        if (slow && !is_failure(verdict)) return {Verdict::slow, true};
        return {verdict, slow};
    }

    constexpr bool trips(const CallCounts& c) const noexcept {
        if (consecutive_failures > 0 && c.consecutive_failures >= consecutive_failures) {
            return true;
        }
        if (c.calls < min_calls) return false;
        return (failure_ratio > 0 && c.failure_ratio() >= failure_ratio) ||
               (slow_ratio > 0 && c.slow_ratio() >= slow_ratio);
    }

    friend constexpr bool operator==(const TripRule&, const TripRule&) = default;
};

inline void require(bool holds, const char* rule) {
    if (!holds) throw std::invalid_argument{rule};
}

inline void check_trip_rule(const CircuitBreakerOptions& o) {
    // A NaN compares false, so each rule is put in terms of what must be true.
    require(
        o.failure_ratio >= 0 && o.failure_ratio <= 1,
        "CircuitBreakerOptions::failure_ratio must be in 0 to 1"
    );
    require(
        o.slow_ratio >= 0 && o.slow_ratio <= 1,
        "CircuitBreakerOptions::slow_ratio must be in 0 to 1"
    );
    require(
        o.slow_after.count() >= 0,
        "CircuitBreakerOptions::slow_after must not be negative"
    );
    require(
        !o.count_slow_abandoned || o.slow_after.count() > 0,
        "CircuitBreakerOptions::count_slow_abandoned needs slow_after"
    );
    require(
        o.min_calls >= 1 && o.min_calls <= 8191,
        "CircuitBreakerOptions::min_calls must be in 1 to 8191"
    );
    if (const auto* count = std::get_if<CountWindowOptions>(&o.window)) {
        require(
            o.min_calls <= count->calls,
            "CircuitBreakerOptions::min_calls must not exceed "
            "CountWindowOptions::calls"
        );
    }
    require(
        !std::holds_alternative<ConsecutiveWindowOptions>(o.window) ||
            o.consecutive_failures > 0 || o.trip_if,
        "CircuitBreakerOptions::consecutive_failures must be at least 1 with a "
        "consecutive window"
    );
}

inline void check_probes(const CircuitBreakerOptions& o) {
    using namespace std::chrono_literals;
    require(
        o.open_for >= 1ms && o.open_for <= 24h * 366,
        "CircuitBreakerOptions::open_for must be in 1 ms to 1 year"
    );
    require(
        o.probes >= 1 && o.probes <= 255,
        "CircuitBreakerOptions::probes must be in 1 to 255"
    );
    require(
        o.close_after >= 1 && o.close_after <= o.probes,
        "CircuitBreakerOptions::close_after must be in 1 to probes"
    );
    require(
        o.reopen_after <= o.probes - o.close_after + 1,
        "CircuitBreakerOptions::reopen_after must not exceed probes - close_after + 1"
    );
    require(
        o.probe_lease >= 1ms && o.probe_lease <= 1h,
        "CircuitBreakerOptions::probe_lease must be in 1 ms to 1 hour"
    );
    require(
        o.slow_start >= 0ms && o.slow_start <= 24h,
        "CircuitBreakerOptions::slow_start must be in 0 to 1 day"
    );
    require(
        o.slow_start_share > 0 && o.slow_start_share <= 1,
        "CircuitBreakerOptions::slow_start_share must be above 0 and at most 1"
    );
}

/// The law that the options describe.
/// @throws std::invalid_argument Names the field that is out of range.
inline BreakerLaw law_of(const CircuitBreakerOptions& o) {
    check_probes(o);
    return {
        .open_for = o.open_for.count(),
        .probe_lease = o.probe_lease.count(),
        .slow_start = o.slow_start.count(),
        .slow_start_share = o.slow_start_share,
        .probes = o.probes,
        .close_after = o.close_after,
        .reopen_after =
            o.reopen_after != 0 ? o.reopen_after : o.probes - o.close_after + 1,
        .slow_probe_fails = o.slow_ratio > 0};
}

/// The rule that the options describe.
/// @throws std::invalid_argument Names the field that is out of range.
inline TripRule rule_of(const CircuitBreakerOptions& o) {
    check_trip_rule(o);
    return {
        .failure_ratio = o.failure_ratio,
        .slow_ratio = o.slow_ratio,
        .slow_after = o.slow_after.count(),
        .min_calls = o.min_calls,
        .consecutive_failures = o.consecutive_failures,
        .count_slow_abandoned = o.count_slow_abandoned};
}

}  // namespace resilience::detail

#endif
