// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUCKET_NUMBERS_HPP
#define RESILIENCE_DETAIL_BUCKET_NUMBERS_HPP

#include <resilience/detail/divisor.hpp>
#include <resilience/detail/wrapping.hpp>

#include <chrono>
#include <cstdint>
#include <tuple>

namespace resilience::detail {

/// Where the clock stands: whole units since an origin, and the time since that unit's
/// tick.
struct Moment {
    std::int64_t units;
    std::int64_t phase;
};

template <class T>
using Plain = T;

/** The numbers of the law of a bucket, and what may be computed even of some that belong
    to one law and some that belong to another: then it is of no use, but defined.

    @tparam Field How the numbers are kept: as they are, or such that threads may replace
        them.
*/
template <template <class> class Field>
struct BucketNumbers {
    /// Stands for every wait of 146 years or more.
    static constexpr std::int64_t kLongestWait = std::int64_t{1} << 62;

    Field<std::int64_t> capacity{};  // units of a full bucket
    Field<std::int64_t> token{};     // units that one token costs
    Field<std::int64_t> fine{};      // as span, if a tick is 1 ns; else 0
    Field<std::uint32_t> rate{};     // units that one tick earns
    Field<std::uint32_t> burst{};    // tokens of a full bucket
    Field<std::uint64_t> rate_factor{};
    Field<std::int32_t> rate_shift{};
    Field<std::uint32_t> tick{};       // nanoseconds
    Field<std::int64_t> most_ticks{};  // of the longest wait
    Field<std::int64_t> span{};        // nanoseconds that the clock may run
    Field<std::uint64_t> tick_factor{};
    Field<std::int32_t> tick_shift{};
    Field<std::uint32_t> max_debt{};    // tokens
    Field<std::uint32_t> divisor{};     // what tokens and period were reduced by
    Field<std::uint32_t> generation{};  // which law this is, of those a bucket has had

    /// References to all of them, in the order in which they stand.
    static constexpr auto all_of(auto& numbers) noexcept {
        auto& n = numbers;
        return std::tie(
            n.capacity,
            n.token,
            n.fine,
            n.rate,
            n.burst,
            n.rate_factor,
            n.rate_shift,
            n.tick,
            n.most_ticks,
            n.span,
            n.tick_factor,
            n.tick_shift,
            n.max_debt,
            n.divisor,
            n.generation
        );
    }

    /// Where the clock stands `since` nanoseconds after its origin, 0 to `span`.
    constexpr Moment moment(std::int64_t since) const noexcept {
        if (since <= fine) [[likely]]
            return {(Wrapping{since} * rate).value(), 0};
        return moment_of_ticks(since);
    }

    constexpr Moment moment_of_ticks(std::int64_t since) const noexcept {
        const Wrapping whole = Divisor::divide(since, tick_factor, tick_shift);
        return {(whole * rate).value(), (Wrapping{since} - whole * tick).value()};
    }

    /// The whole ticks in which `units` arrive; they are not negative.
    constexpr std::int64_t ticks(std::int64_t units) const noexcept {
        return Divisor::divide(units, rate_factor, rate_shift);
    }

    /// The least time in which `units` and one more arrive, `phase` nanoseconds after a
    /// tick began; they are not negative.
    constexpr std::chrono::nanoseconds wait_beyond(std::int64_t units, std::int64_t phase)
        const noexcept {
        const Wrapping whole = Wrapping{ticks(units)} + 1;
        if (tick == 1) [[likely]]
            return std::chrono::nanoseconds{(whole - phase).value()};
        const bool longest = whole.value() > most_ticks;
        const Wrapping wait = whole * tick - phase;
        return std::chrono::nanoseconds{longest ? kLongestWait : wait.value()};
    }
};

}  // namespace resilience::detail

#endif
