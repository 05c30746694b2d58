// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ADAPTIVE_LIMIT_OPTIONS_HPP
#define RESILIENCE_ADAPTIVE_LIMIT_OPTIONS_HPP

#include <chrono>
#include <cstdint>
#include <stdexcept>

namespace resilience {

/// How an @ref AdaptiveLimit finds its limit.
enum class LimitAlgorithm : std::uint8_t {
    /// By how much slower calls are than without load.
    gradient,
    /// One more while all goes well, a share less when calls are dropped.
    aimd
};

/// Settings of an @ref AdaptiveLimit.
struct AdaptiveLimitOptions {
    /// How the limit is found. Default by gradient.
    LimitAlgorithm algorithm = LimitAlgorithm::gradient;

    /// The limit to begin with. From @ref floor to @ref ceiling; default 20.
    std::uint32_t initial = 20;

    /// The least limit, however bad things are. At least 1; default 1.
    std::uint32_t floor = 1;

    /// The greatest limit. At least @ref floor, and at most 2^24; default 1,000.
    std::uint32_t ceiling = 1000;

    /// The limit, if it is less than the present one, while the duration of calls without
    /// load is measured: small enough that calls do not wait for each other, whatever the
    /// @ref floor. At least 1; default 3.
    std::uint32_t probe = 3;

    /// Time between two such measurements; zero: none, so that a peer which became slower
    /// for good is held for overloaded for ever. Not negative; default 30 s.
    std::chrono::nanoseconds probe_every = std::chrono::seconds{30};

    /// Calls are looked at together, those that ended within this time. Positive, at most
    /// one hour; default 100 ms.
    std::chrono::nanoseconds window = std::chrono::milliseconds{100};

    /// Ends of calls that make a window worth looking at; three times as many are needed
    /// to measure calls without load. 1 to 10,000; default 10.
    std::uint32_t min_samples = 10;

    /// How many times as long as without load a call may take before the limit sinks. 1
    /// to 100; default 1.5.
    double tolerance = 1.5;

    /// What the limit is multiplied by when calls are dropped. Above 0, below 1; default
    /// 0.9.
    double backoff = 0.9;

    /// The share of dropped calls that is not yet a reason to back off. At least 0, below
    /// 1; default 0.05.
    double drop_tolerance = 0.05;

    /// A call that takes as long as this was dropped, whatever its verdict. Positive;
    /// default 5 s.
    std::chrono::nanoseconds timeout = std::chrono::seconds{5};

    friend bool operator==(const AdaptiveLimitOptions&, const AdaptiveLimitOptions&) =
        default;
};

namespace detail {

inline constexpr std::uint32_t kMostInFlight = 1u << 24;

/// Returns `options`, or throws `std::invalid_argument` naming the field out of range.
inline const AdaptiveLimitOptions& checked(const AdaptiveLimitOptions& options) {
    const auto require = [](bool good, const char* rule) {
        if (!good) throw std::invalid_argument(rule);
    };
    const AdaptiveLimitOptions& o = options;
    require(
        o.algorithm == LimitAlgorithm::gradient || o.algorithm == LimitAlgorithm::aimd,
        "AdaptiveLimitOptions::algorithm: is not one of its values"
    );
    require(o.floor >= 1, "AdaptiveLimitOptions::floor: must be at least 1");
    require(
        o.ceiling >= o.floor && o.ceiling <= kMostInFlight,
        "AdaptiveLimitOptions::ceiling: must be from floor to 16777216"
    );
    require(
        o.initial >= o.floor && o.initial <= o.ceiling,
        "AdaptiveLimitOptions::initial: must be from floor to ceiling"
    );
    require(o.probe >= 1, "AdaptiveLimitOptions::probe: must be at least 1");
    require(
        o.probe_every.count() >= 0,
        "AdaptiveLimitOptions::probe_every: must not be negative"
    );
    require(
        o.window.count() > 0 && o.window <= std::chrono::hours{1},
        "AdaptiveLimitOptions::window: must be positive and at most one hour"
    );
    require(
        o.min_samples >= 1 && o.min_samples <= 10000,
        "AdaptiveLimitOptions::min_samples: must be 1 to 10000"
    );
    require(
        o.tolerance >= 1 && o.tolerance <= 100,
        "AdaptiveLimitOptions::tolerance: must be 1 to 100"
    );
    require(
        o.backoff > 0 && o.backoff < 1,
        "AdaptiveLimitOptions::backoff: must be above 0 and below 1"
    );
    require(
        o.drop_tolerance >= 0 && o.drop_tolerance < 1,
        "AdaptiveLimitOptions::drop_tolerance: must be at least 0 and below 1"
    );
    require(o.timeout.count() > 0, "AdaptiveLimitOptions::timeout: must be positive");
    return options;
}

}  // namespace detail
}  // namespace resilience

#endif
