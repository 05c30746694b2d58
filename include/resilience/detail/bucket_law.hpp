// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUCKET_LAW_HPP
#define RESILIENCE_DETAIL_BUCKET_LAW_HPP

#include <resilience/admission.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/bucket_numbers.hpp>
#include <resilience/detail/divisor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

namespace resilience::detail {

/// What the word that holds a bucket can represent.
struct BucketRange {
    std::int64_t units;             // how far the clock may run from its origin
    std::chrono::nanoseconds span;  // the least time that this must last
    std::int64_t grain = 1;         // every unit is counted as so many
};

/// What a bucket is to be like, and what its options are called if they are refused.
struct BucketPlan {
    std::uint32_t tokens;
    std::chrono::nanoseconds period;
    std::uint32_t burst;
    std::uint32_t max_debt = 0;
    BucketRange range;

    struct Names {
        std::string type = "TokenBucketOptions";
        std::string tokens = "tokens";
        std::string burst = "burst";
    } names = {};
};

/// What has to be known of a taking to undo it.
struct Receipt {
    std::uint32_t tokens = 0;
    std::uint32_t generation = 0;  // of the law by which they were taken
    std::uint64_t returned = 0;    // tokens ever returned to the bucket before
    std::int64_t taken_at = 0;     // nanoseconds
    std::int64_t drained = 0;  // units that were missing to a full bucket, right after
    std::int64_t units = 0;    // by which the zero was moved on
    std::int64_t end = 0;      // place after them in all that was ever taken
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) noexcept {
    return a > 0 ? (a - 1) / b + 1 : a / b;
}

/// Time is kept within 146 years of the clock's epoch, so that differences cannot
/// overflow. Beyond it stands still, and a bucket only refills less.
inline constexpr std::int64_t kTimeLimit = std::int64_t{1} << 62;

template <class TimePoint>
constexpr std::int64_t raw_nanoseconds_of(TimePoint t) noexcept {
    using std::chrono::duration_cast;
    return duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

constexpr std::int64_t within_time_limit(std::int64_t ns) noexcept {
    constexpr std::int64_t room = std::int64_t{1} << 26;  // for the coarsest tick
    const bool outside = ns < -kTimeLimit || ns >= kTimeLimit - room;
    if (outside) [[unlikely]]
        return ns < 0 ? -kTimeLimit : kTimeLimit - room - 1;
    return ns;
}

template <class TimePoint>
constexpr std::int64_t nanoseconds_of(TimePoint t) noexcept {
    return within_time_limit(raw_nanoseconds_of(t));
}

/** Decides for a token bucket, in integers alone; every limiter that keeps buckets shares
   it.

    With `tokens / period` reduced to `rate / whole` by their greatest common divisor, one
    tick earns `rate` units and one token costs `whole / tick` units. The tick is a
    divisor of `whole`, so nothing is ever rounded: a coarser one only delays what
   arrives, by less than itself.

    The state of a bucket is one number, its `zero`: the instant, in units, at which it
    was empty. The level is `now - zero`, at most `capacity`; below zero it is debt.
*/
struct BucketLaw : BucketNumbers<Plain> {
    /// Capacity and debt together stay below this many units.
    static constexpr std::int64_t kMostUnits = (std::int64_t{1} << 60) - 1;
    static constexpr std::int64_t kCoarsestTick = 10'000'000;
    /// Counts as returned tokens when a bucket is reset: nothing taken before comes back.
    static constexpr std::uint64_t kReset = std::uint64_t{1} << 40;

    /// The tick that contains `ns`, counted from the clock's epoch.
    constexpr std::int64_t tick_of(std::int64_t ns) const noexcept {
        const std::int64_t length = tick;
        if (length == 1) return ns;
        const std::int64_t quotient = ns / length;
        return ns % length < 0 ? quotient - 1 : quotient;
    }

    /// The zero as it counts now: a bucket that has been full for long is just full.
    /// Being a maximum, it makes states merge monotonically: an older clock sees less,
    /// never more.
    constexpr std::int64_t edge(std::int64_t zero, std::int64_t now) const noexcept {
        return std::max(zero, now - capacity);
    }

    /// The zero after `n` tokens were taken, `n <= burst`. They are there if it is not
    /// after `now`; else the difference is what is missing.
    constexpr std::int64_t taken(std::int64_t zero, std::int64_t now, std::uint32_t n)
        const noexcept {
        return edge(zero, now) + n * token;
    }

    /// The zero after `n` tokens were taken whether they are there or not, at most
    /// `ceiling`.
    constexpr std::int64_t charged(
        std::int64_t zero, std::int64_t now, std::uint32_t n, std::int64_t ceiling
    ) const noexcept {
        const std::int64_t from = edge(zero, now);
        return n > (ceiling - from) / token ? ceiling : from + n * token;
    }

    /// Whole tokens there are.
    constexpr std::uint32_t available(std::int64_t zero, std::int64_t now)
        const noexcept {
        const std::int64_t level = now - edge(zero, now);
        return level < token ? 0 : static_cast<std::uint32_t>(level / token);
    }

    /// The least time in which `units` arrive, `phase` nanoseconds after a tick began.
    constexpr std::chrono::nanoseconds wait(std::int64_t units, std::int64_t phase)
        const noexcept {
        if (units <= 0) return std::chrono::nanoseconds{0};
        return wait_beyond(units - 1, phase);
    }

    /// Whether a taking that leaves `next` fits, and if not, for how long it does not.
    constexpr Admission judge(std::int64_t next, Moment now) const noexcept {
        return next <= now.units ? Admission::admit()
                                 : Admission::refuse(wait(next - now.units, now.phase));
    }

    constexpr LimiterSnapshot snapshot(std::int64_t zero, Moment now) const noexcept {
        const std::int64_t level = now.units - edge(zero, now.units);
        LimiterSnapshot seen{.limit = burst, .available = available(zero, now.units)};
        if (level == capacity) return seen;
        const std::int64_t more = (std::int64_t{seen.available} + 1) * token;
        seen.until_next = wait(more - level, now.phase);
        seen.until_full = wait(capacity - level, now.phase);
        return seen;
    }

    /// The fewest whole tokens that make up `units`.
    constexpr std::uint64_t tokens_of(std::int64_t units) const noexcept {
        return static_cast<std::uint64_t>(ceil_div(units, token));
    }

    /** Time until the last of those may start who reserved after a taking, at most.

        Whoever reserved left a zero of its own start, and since then only others' refunds
        have lowered it.

        @param others Tokens that others have returned since the taking, or more.
    */
    constexpr std::chrono::nanoseconds queue(
        std::int64_t zero, Moment now, std::uint64_t others
    ) const noexcept {
        const std::int64_t cost = token;
        if (others > static_cast<std::uint64_t>(kMostUnits / cost)) {
            return std::chrono::nanoseconds{kLongestWait};
        }
        const std::int64_t returned = static_cast<std::int64_t>(others) * cost;
        return wait(zero + returned - now.units, now.phase);
    }

    /** Units that come back when a taking is undone after time has passed.

        Had the tokens never been taken, the bucket would have been full once its headroom
        had filled, and the rest of the refill since would have been lost: it is not
        returned. What others have returned meanwhile may have been part of the headroom.
    */
    constexpr std::int64_t returnable(
        const Receipt& receipt, std::uint64_t returned, std::int64_t until
    ) const noexcept {
        const std::int64_t taken = receipt.tokens * token;
        const std::int64_t room = receipt.drained - taken;
        const std::uint64_t others = returned - receipt.returned;
        if (others >= kReset) return 0;
        const std::int64_t headroom =
            others > static_cast<std::uint64_t>(room / token)
                ? 0
                : room - static_cast<std::int64_t>(others) * token;
        const std::int64_t ticks =
            std::max<std::int64_t>(0, tick_of(until) - tick_of(receipt.taken_at));
        if (ticks > (headroom + taken) / rate) return 0;
        return taken - std::max<std::int64_t>(0, ticks * rate - headroom);
    }
};

/// The law by which a tick earns `rate` units and a token costs `token`.
/// @param divisor What tokens and period are multiples of.
inline BucketLaw law_of_units(
    const BucketPlan& plan,
    std::int64_t rate,
    std::int64_t token,
    std::int64_t tick,
    std::int64_t divisor
) noexcept {
    const std::int64_t units = plan.range.units;
    const std::int64_t span = std::min(units / rate, units / tick - 1) * tick;
    const Divisor by_rate{static_cast<std::uint64_t>(rate)};
    const Divisor by_tick{static_cast<std::uint64_t>(tick)};
    BucketLaw law;
    law.capacity = plan.burst * token;
    law.token = token;
    law.fine = tick == 1 ? span : 0;
    law.rate = static_cast<std::uint32_t>(rate);
    law.burst = plan.burst;
    law.rate_factor = by_rate.factor();
    law.rate_shift = by_rate.shift();
    law.tick = static_cast<std::uint32_t>(tick);
    law.most_ticks = BucketLaw::kLongestWait / tick;
    law.span = span;
    law.tick_factor = by_tick.factor();
    law.tick_shift = by_tick.shift();
    law.max_debt = plan.max_debt;
    law.divisor = static_cast<std::uint32_t>(divisor);
    return law;
}

/// The law of a bucket such as planned.
/// @throws std::invalid_argument Names the option that is out of range.
inline BucketLaw make_bucket_law(const BucketPlan& plan) {
    const BucketPlan::Names& names = plan.names;
    const BucketRange& range = plan.range;
    const auto refuse = [&names](const std::string& field, const char* why) {
        throw std::invalid_argument{names.type + "::" + field + why};
    };
    if (plan.tokens == 0) refuse(names.tokens, " must be at least 1");
    if (plan.period.count() <= 0) refuse("period", " must be positive");
    if (plan.burst == 0) refuse(names.burst, " must be at least 1");
    const std::int64_t divisor = std::gcd<std::int64_t>(plan.tokens, plan.period.count());
    const std::int64_t rate = plan.tokens / divisor * range.grain;
    const std::int64_t whole = plan.period.count() / divisor;

    const std::int64_t most =
        BucketLaw::kMostUnits / range.grain / (std::int64_t{plan.burst} + plan.max_debt);
    const std::int64_t fits = ceil_div(whole, most);
    const std::int64_t lasts = ceil_div(range.span.count(), range.units / rate);
    std::int64_t tick = std::max(fits, lasts);
    while (tick <= BucketLaw::kCoarsestTick && whole % tick != 0) ++tick;
    if (tick > BucketLaw::kCoarsestTick ||
        rate > std::numeric_limits<std::uint32_t>::max()) {
        if (fits > lasts) {
            refuse(
                names.burst,
                " (with max_debt) is too large for a token that takes this long: choose "
                "less, or a rounder period"
            );
        }
        refuse(
            names.tokens,
            " in this period is too odd or too high a rate: choose a rounder one"
        );
    }
    return law_of_units(plan, rate, whole / tick * range.grain, tick, divisor);
}

}  // namespace resilience::detail

#endif
