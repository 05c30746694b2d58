// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RATE_LIMITER_HPP
#define RESILIENCE_RATE_LIMITER_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>

namespace resilience {

/// What a limiter would give at one instant.
struct LimiterSnapshot {
    static constexpr const char* kind = "rate_limiter";

    /// The most that one call can ever be admitted for.
    std::uint32_t limit = 0;

    /// The most that a call would be admitted for now.
    std::uint32_t available = 0;

    /// Time until that is more, if nobody takes any; zero when it is the limit.
    std::chrono::nanoseconds until_next{0};

    /// Time until that is the limit, if nobody takes any; zero when it is.
    std::chrono::nanoseconds until_full{0};

    friend bool operator==(const LimiterSnapshot&, const LimiterSnapshot&) = default;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const LimiterSnapshot& s, Visit&& visit) {
    visit("limit", s.limit);
    visit("available", s.available);
    visit("until_next_seconds", std::chrono::duration<double>(s.until_next).count());
    visit("until_full_seconds", std::chrono::duration<double>(s.until_full).count());
}

/** Limits how often something happens: what @ref TokenBucket, @ref SlidingWindow, @ref
    FixedWindow, @ref LeakyBucket and @ref StripedTokenBucket have in common.

    With `l` a limiter, `n` a number of calls (or bytes, or whatever is counted) and `now`
    an instant:

    @li `l.try_acquire(n, now)` takes `n`, or none. It never waits. When it refuses, it
        has written nothing, and `retry_after` is long enough: the same call is admitted
        after that time, if nobody else takes anything, and unless said otherwise not a
        nanosecond sooner. An `n` of zero is always admitted; one that can never be
        admitted is refused with @ref Admission::never.
    @li `l.peek(n, now)` tells what `try_acquire` would answer, and takes nothing.
    @li `l.snapshot(now)` tells what there is, and takes nothing.
    @li An instant older than one already seen is safe: nothing more is admitted for it.
    @li All of them may be called from several threads, and never block or allocate.

    `n` and `now` have defaults, 1 and the current time.
*/
template <class L>
concept RateLimiter = requires(
    L& limiter,
    const L& seen,
    std::uint32_t n,
    TimePoint now,
    const typename L::Options& o
) {
    L{o};
    { seen.options() } -> std::same_as<typename L::Options>;
    { limiter.try_acquire(n, now) }
    noexcept->std::same_as<Admission>;
    { seen.peek(n, now) }
    noexcept->std::same_as<Admission>;
    { seen.snapshot(now) }
    noexcept->std::same_as<LimiterSnapshot>;
    { limiter.try_acquire() }
    noexcept->std::same_as<Admission>;
};

}  // namespace resilience

#endif
