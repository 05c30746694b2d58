// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RETRY_POLICY_HPP
#define RESILIENCE_RETRY_POLICY_HPP

#include <resilience/classify.hpp>
#include <resilience/random.hpp>

#include <resilience/detail/backoff_law.hpp>

#include <algorithm>
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
    equal,
    /// Uniform between the base and three times the wait before; the factor is not used.
    decorrelated
};

/// Settings of a @ref RetryPolicy.
struct RetryOptions {
    /// Attempts in all, the first included. 1 to 2^31 - 1; default 4.
    std::uint32_t attempts = 4;

    /// Back-off after the first attempt. Positive; default 100 ms.
    std::chrono::nanoseconds base = std::chrono::milliseconds{100};

    /// What each further back-off is multiplied by. 1, or 1.01 to 1000; default 2.
    double factor = 2.0;

    /// Longest back-off. At least @ref base; default 30 s.
    std::chrono::nanoseconds cap = std::chrono::seconds{30};

    /// How the back-off is spread. Default full.
    Jitter jitter = Jitter::full;

    /// Takes the place of @ref base when the peer asked for fewer calls. Positive; more
    /// than @ref cap counts as that. Default 1 s.
    std::chrono::nanoseconds throttle_base = std::chrono::seconds{1};

    /// Longest wait that a peer may ask for, such as by `Retry-After`; longer ones are
    /// cut to it. Positive; default 1 min.
    std::chrono::nanoseconds max_hint = std::chrono::minutes{1};

    /// Whether doing it twice does no harm. Unless it is so, a call whose effect is in
    /// doubt is not repeated. Default false.
    bool idempotent = false;

    friend constexpr bool operator==(const RetryOptions&, const RetryOptions&) = default;

    /// I8: three retries after 500 ms, 1 s and 2 s, also of calls that timed out.
    static constexpr RetryOptions integration_http() noexcept {
        return {
            .attempts = 4,
            .base = std::chrono::milliseconds{500},
            .jitter = Jitter::none,
            .idempotent = true};
    }

    /// F7: five attempts, from 100 ms doubling to at most 30 s, with full jitter.
    static constexpr RetryOptions mail_delivery() noexcept {
        return {.attempts = 5, .base = std::chrono::milliseconds{100}};
    }
};

/** Decides how long to wait before another attempt. Never waits itself.

    Exponential back-off with jitter; the spreads are those of M. Brooker, "Exponential
    Backoff and Jitter". A policy holds no state: the caller counts the attempts and
    brings the random number, so a sequence of delays can be replayed. @ref RetryState
    does the counting for one call, and decides whether to try again at all.

    @par Thread safety
    Immutable: safe.
*/
class RetryPolicy {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit constexpr RetryPolicy(RetryOptions options = {})
        : options_(checked(options)),
          law_(detail::BackoffLaw::make(options.factor, options.cap.count())) {}

    /** The wait before the next attempt, or nothing when no attempt is left.

        @param failed Attempts that failed so far; at least 1.
        @param random Uniform random bits; unused without jitter.
    */
    constexpr std::optional<std::chrono::nanoseconds> next(
        std::uint32_t failed, std::uint64_t random
    ) const noexcept {
        if (failed >= options_.attempts) return std::nullopt;
        return delay(failed, random);
    }

    /** The wait after `failed` failures, however many attempts are allowed.

        For loops that never give up, such as reconnecting. With decorrelated jitter it is
        an element of a sequence of its own, of which `random` is the seed.
    */
    constexpr std::chrono::nanoseconds delay(std::uint32_t failed, std::uint64_t random)
        const noexcept {
        if (options_.jitter != Jitter::decorrelated) {
            return delay(failed, Verdict::transient, {}, random);
        }
        Random sequence{random};
        std::chrono::nanoseconds wait{0};
        for (std::uint32_t i = 0; i < std::min(failed, law_.kMemory); ++i) {
            wait = delay(failed, Verdict::transient, wait, sequence());
        }
        return wait;
    }

    /** The wait of one call after its last attempt ended.

        @param failed Attempts so far; at least 1.
        @param cause How the last of them ended: throttled has a base of its own.
        @param previous The wait before that attempt; zero before the first.
        @param random Uniform random bits; unused without jitter.
    */
    constexpr std::chrono::nanoseconds delay(
        std::uint32_t failed,
        Verdict cause,
        std::chrono::nanoseconds previous,
        std::uint64_t random
    ) const noexcept {
        using std::chrono::nanoseconds;
        const bool throttled = cause == Verdict::throttled;
        const nanoseconds longer = std::min(options_.throttle_base, options_.cap);
        const std::int64_t base = (throttled ? longer : options_.base).count();
        if (options_.jitter == Jitter::decorrelated) {
            return nanoseconds{law_.decorrelated(base, previous.count(), random)};
        }
        const std::int64_t backoff = law_.backoff(base, failed);
        if (options_.jitter == Jitter::full) {
            return nanoseconds{detail::portion(backoff, random)};
        }
        if (options_.jitter == Jitter::equal) {
            return nanoseconds{backoff - detail::portion(backoff / 2, random)};
        }
        return nanoseconds{backoff};
    }

    constexpr const RetryOptions& options() const noexcept { return options_; }

    // All the rest follows from the options.
    friend constexpr bool operator==(
        const RetryPolicy& a, const RetryPolicy& b
    ) noexcept {
        return a.options_ == b.options_;
    }

private:
    static constexpr RetryOptions checked(const RetryOptions& options) {
        if (options.attempts < 1 || options.attempts >= std::uint32_t{1} << 31) {
            throw std::invalid_argument{"RetryOptions::attempts must be 1 to 2^31 - 1"};
        }
        if (options.base.count() <= 0) {
            throw std::invalid_argument{"RetryOptions::base must be positive"};
        }
        const bool grows = options.factor >= detail::BackoffLaw::kLeastFactor &&
                           options.factor <= detail::BackoffLaw::kMostFactor;
        if (options.factor != 1.0 && !grows) {
            throw std::invalid_argument{
                "RetryOptions::factor must be 1, or 1.01 to 1000"};
        }
        if (options.cap < options.base) {
            throw std::invalid_argument{"RetryOptions::cap must not be less than base"};
        }
        if (options.jitter > Jitter::decorrelated) {
            throw std::invalid_argument{"RetryOptions::jitter must be one of its names"};
        }
        if (options.throttle_base.count() <= 0) {
            throw std::invalid_argument{"RetryOptions::throttle_base must be positive"};
        }
        if (options.max_hint.count() <= 0) {
            throw std::invalid_argument{"RetryOptions::max_hint must be positive"};
        }
        return options;
    }

    RetryOptions options_;
    detail::BackoffLaw law_;
};

}  // namespace resilience

#endif
