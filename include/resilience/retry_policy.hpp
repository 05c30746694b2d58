// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RETRY_POLICY_HPP
#define RESILIENCE_RETRY_POLICY_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>

namespace resilience {

/// How a back-off is spread, so that clients that failed together do not return together.
enum class Jitter : std::uint8_t {
    /// The back-off itself.
    none,
    /// Uniform between zero and the back-off.
    full,
    /// Half the back-off, plus a uniform share of the other half.
    equal
};

/// Settings of a @ref RetryPolicy.
struct RetryOptions {
    /// Attempts in all, the first included. At least 1; default 4.
    std::uint32_t attempts = 4;

    /// Back-off after the first attempt. Positive; default 100 ms.
    std::chrono::nanoseconds base = std::chrono::milliseconds{100};

    /// What each further back-off is multiplied by. At least 1; default 2.
    double factor = 2.0;

    /// Longest back-off. At least @ref base; default 30 s.
    std::chrono::nanoseconds cap = std::chrono::seconds{30};

    /// How the back-off is spread. Default full.
    Jitter jitter = Jitter::full;
};

/** Decides whether to try again and how long to wait first. Never waits itself.

    Exponential back-off with jitter; the spreads are those of M. Brooker, "Exponential
    Backoff and Jitter". A policy holds no state: the caller counts the attempts and
   brings the random number, so a sequence of delays can be replayed.

    @par Thread safety
    Immutable: safe.
*/
class RetryPolicy {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit constexpr RetryPolicy(RetryOptions options = {}) : options_(options) {
        if (options.attempts < 1)
            throw std::invalid_argument("attempts: must be at least 1");
        if (options.base.count() <= 0)
            throw std::invalid_argument("base: must be positive");
        if (!(options.factor >= 1.0))
            throw std::invalid_argument("factor: must be at least 1");
        if (options.cap < options.base) {
            throw std::invalid_argument("cap: must not be less than base");
        }
    }

    /** The wait before the next attempt, or nothing when no attempt is left.

        @param failed Attempts that failed so far; at least 1.
        @param random Uniform random bits; unused without jitter.
    */
    constexpr std::optional<std::chrono::nanoseconds> next(
        std::uint32_t failed, std::uint64_t random
    ) const {
        if (failed >= options_.attempts) return std::nullopt;
        return delay(failed, random);
    }

    /** The wait after `failed` failures, however many attempts are allowed.

        For loops that never give up, such as reconnecting.
    */
    constexpr std::chrono::nanoseconds delay(std::uint32_t failed, std::uint64_t random)
        const {
        const auto backoff = this->backoff(failed);
        switch (options_.jitter) {
            case Jitter::none:
                break;
            case Jitter::full:
                return share(backoff, random);
            case Jitter::equal:
                return backoff - share(backoff / 2, random);
        }
        return backoff;
    }

    constexpr const RetryOptions& options() const noexcept { return options_; }

private:
    // The product stays below the cap before it is converted, so no count of failures
    // overflows.
    constexpr std::chrono::nanoseconds backoff(std::uint32_t failed) const {
        const auto cap = static_cast<double>(options_.cap.count());
        auto value = static_cast<double>(options_.base.count());
        for (std::uint32_t i = 1; i < failed && options_.factor > 1.0; ++i) {
            value *= options_.factor;
            if (value >= cap) return options_.cap;
        }
        return std::chrono::nanoseconds{static_cast<std::int64_t>(value)};
    }

    // Uniform in [0, whole]: the top 53 bits are what a double holds exactly.
    static constexpr std::chrono::nanoseconds share(
        std::chrono::nanoseconds whole, std::uint64_t random
    ) {
        const double fraction = static_cast<double>(random >> 11) / 9007199254740992.0;
        return std::chrono::nanoseconds{
            static_cast<std::int64_t>(static_cast<double>(whole.count()) * fraction)};
    }

    RetryOptions options_;
};

}  // namespace resilience

#endif
