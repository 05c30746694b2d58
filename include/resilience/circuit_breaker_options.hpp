// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CIRCUIT_BREAKER_OPTIONS_HPP
#define RESILIENCE_CIRCUIT_BREAKER_OPTIONS_HPP

#include <resilience/call_window.hpp>
#include <resilience/count_window.hpp>
#include <resilience/time_window.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <variant>

namespace resilience {

/// Chooses to remember nothing but the run of failures since the last success.
struct ConsecutiveWindowOptions {
    friend bool
    operator==(const ConsecutiveWindowOptions&, const ConsecutiveWindowOptions&) =
        default;
};

/// Chooses what a @ref CircuitBreaker remembers.
using WindowOptions =
    std::variant<TimeWindowOptions, CountWindowOptions, ConsecutiveWindowOptions>;

/// Settings of a @ref CircuitBreaker.
struct CircuitBreakerOptions {
    /// Which calls are remembered. Default: those of the last 10 s.
    WindowOptions window = TimeWindowOptions{};

    /// Share of failures at which the circuit opens. In (0, 1], or 0: never. Default 0.5.
    double failure_ratio = 0.5;

    /// Share of slow calls at which the circuit opens, and then a slow probe is a bad
    /// one. In (0, 1], or 0: never. Default 0.8.
    double slow_ratio = 0.8;

    /// A call that lasts at least so long is slow, whatever its end. Not negative;
    /// default 0: none is, unless its verdict says so.
    std::chrono::nanoseconds slow_after{0};

    /// Whether a call that was abandoned after @ref slow_after counts as a slow one.
    /// Otherwise callers that always give up early would never open the circuit. Needs
    /// @ref slow_after; default false.
    bool count_slow_abandoned = false;

    /// Calls that must be remembered before a ratio is judged. 1 to 8,191, and no more
    /// than a @ref CountWindow remembers; default 20.
    std::uint32_t min_calls = 20;

    /// Failures in a row that open the circuit, however few calls there were. Default 0:
    /// never.
    std::uint32_t consecutive_failures = 0;

    /// Opens the circuit when it returns true. Asked after each failure or slow call that
    /// no other rule opens it for, by several threads at once. May use the breaker. If it
    /// throws, the answer is no. Default: none.
    std::function<bool(const CallCounts&)> trip_if{};

    /// Time for which an open circuit refuses all calls. 1 ms to 1 year; default 5 s.
    std::chrono::nanoseconds open_for = std::chrono::seconds{5};

    /// Calls that a half-open circuit lets through; those that end uncounted are
    /// replaced. 1 to 255; default 3.
    std::uint32_t probes = 3;

    /// Good probes that close the circuit. 1 to @ref probes; default 2.
    std::uint32_t close_after = 2;

    /// Bad probes that open it again. 1 to `probes - close_after + 1`; default 0: as soon
    /// as the probes that are left could not close it, which is that maximum.
    std::uint32_t reopen_after = 0;

    /// Time after which a probe that has not reported is given up, so that one that never
    /// will cannot hold the circuit half-open. Longer than any call lasts. 1 ms to 1
    /// hour, and up to 64 ms more; default 30 s.
    std::chrono::nanoseconds probe_lease = std::chrono::seconds{30};

    /// Time in which the share of calls let through grows to all, once the circuit has
    /// closed, so that a peer that has just recovered is not flooded. 0 to 1 day; default
    /// 0: all at once.
    std::chrono::nanoseconds slow_start{0};

    /// Share of calls with which a slow start begins. In (0, 1]; default 0.1.
    double slow_start_share = 0.1;

    /** The breaker that MailFlow documents (F4): opens after 5 failures in a row, for
        30 s; of 3 probes at most, 2 successes close it.
    */
    static CircuitBreakerOptions mailflow() {
        CircuitBreakerOptions options;
        options.window = ConsecutiveWindowOptions{};
        options.consecutive_failures = 5;
        options.open_for = std::chrono::seconds{30};
        options.probes = 3;
        options.close_after = 2;
        return options;
    }
};

}  // namespace resilience

#endif
