// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_KEYED_LAW_HPP
#define RESILIENCE_DETAIL_KEYED_LAW_HPP

#include <resilience/fixed_window.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/sliding_window.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/limit_law.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

namespace resilience::detail {

/** Decides for the buckets of a table, of which the words are all counted from one
    origin.

    A word is a zero plus kOrigin: positive, as the table wants it, however early the
    clock. The tick is coarse enough for the clock to run for 100 years, and it may be
   late by 12.

    The rate is changed for all words at once, and none of them is touched: a token costs
    as many units as before, and it is the clock that goes on at another pace. So a word
    means the same by every law that the table has had, and whoever decides by the last
    one, late, still only moves it on.
*/
class KeyedBucketLaw {
public:
    using Moment = detail::Moment;

    KeyedBucketLaw(const BucketLaw& law, TimePoint now) noexcept : law_{law} {
        const std::int64_t ns = std::max(nanoseconds_of(now), -kTimeLimit / 2);
        base_ = (law.tick_of(ns) - law.span / law.tick / 9) * law.tick;
    }

    static BucketPlan plan(const TokenBucketOptions& o) {
        if (o.max_debt != 0) {
            throw std::invalid_argument{"KeyedLimiterOptions::limit.max_debt must be 0"};
        }
        return plan(o.tokens, o.period, o.burst);
    }

    /** The law that goes on from this one at the instant `ns`: a bucket has as many
        tokens as before, at most the new burst.
        @throws std::invalid_argument Names the option that is out of range.
    */
    KeyedBucketLaw changed(const TokenBucketOptions& o, std::int64_t ns) const {
        KeyedBucketLaw next{*this};
        next.go_on(plan(o), ns, [](std::int64_t) -> std::int64_t { return 0; });
        return next;
    }

    /// Whether this is the same of the laws that a table has had.
    bool same_as(const KeyedBucketLaw& other) const noexcept {
        return law_.generation == other.law_.generation;
    }

    const BucketLaw& bucket() const noexcept { return law_; }
    std::uint32_t limit() const noexcept { return law_.burst; }

    Moment moment(std::int64_t ns) const noexcept {
        const std::int64_t since = ns - base_;
        const std::int64_t kept = std::clamp<std::int64_t>(since, 0, law_.span);
        Moment moment = law_.moment(kept);
        moment.units += origin_;
        // A clock far behind has to catch up first.
        if (since < kept) moment.phase -= std::min(kept - since, kTimeLimit / 2);
        return moment;
    }

    std::int64_t idle(Moment now) const noexcept { return now.units - law_.capacity; }

    Taking take(std::int64_t word, std::uint32_t n, Moment now) const noexcept {
        const std::int64_t next = law_.taken(word, now.units, n);
        return {next, law_.judge(next, now)};
    }

    Taking charge(std::int64_t word, std::uint32_t n, Moment now) const noexcept {
        const std::int64_t next = law_.charged(word, now.units, n, kCeiling);
        return {next, {n > 0, law_.wait(next - now.units, now.phase)}};
    }

    Receipt receipt(std::uint32_t n, std::int64_t next, Moment now, std::int64_t ns)
        const noexcept {
        return {
            .tokens = n,
            .generation = law_.generation,
            .taken_at = ns,
            .drained = next - idle(now)};
    }

    /// How many tokens come back when a taking is undone, and the word afterwards.
    struct Undoing {
        std::int64_t next;
        std::uint64_t tokens;  // those of which any part comes back
        bool all;
    };

    Undoing undo(
        std::int64_t word, const Receipt& receipt, std::uint64_t returned, std::int64_t ns
    ) const noexcept {
        if (receipt.generation != law_.generation) {
            return {word, 0, receipt.tokens == 0};
        }
        const std::int64_t back = law_.returnable(receipt, returned, ns);
        return {
            std::max<std::int64_t>(word - back, 1),
            law_.tokens_of(back),
            back == receipt.tokens * law_.token};
    }

    std::int64_t join(std::int64_t a, std::int64_t b) const noexcept {
        return std::max(a, b);
    }

    LimiterSnapshot snapshot(std::int64_t word, Moment now) const noexcept {
        return law_.snapshot(word, now);
    }

protected:
    static constexpr std::int64_t kUnit = std::int64_t{1} << 60;
    static constexpr std::int64_t kOrigin = kUnit + kUnit / 2;
    static constexpr std::int64_t kCeiling = 7 * kUnit;
    static constexpr BucketRange kRange{
        .units = 4 * kUnit + kUnit / 2,
        .span = std::chrono::hours{24 * 366 * 100} * 9 / 8};
    /// For so long the clock runs at least after a change of its pace.
    static constexpr std::chrono::nanoseconds kLeastSpan = std::chrono::hours{24 * 3660};

    static BucketPlan plan(
        std::uint32_t tokens, std::chrono::nanoseconds period, std::uint32_t burst
    ) {
        return {.tokens = tokens, .period = period, .burst = burst, .range = kRange};
    }

    /// @param more Units by which a bucket that holds nothing is further from its zero.
    void go_on(BucketPlan plan, std::int64_t ns, std::int64_t (*more)(std::int64_t)) {
        const BucketLaw alone = make_bucket_law(plan);
        const auto refuse = [&plan](const std::string& field, const char* why) {
            throw std::invalid_argument{plan.names.type + "::" + field + why};
        };
        if (plan.burst > BucketLaw::kMostUnits / law_.token) {
            refuse(plan.names.burst, " is too large for this table: make a new one");
        }
        const std::int64_t now =
            moment(ns).units + more(plan.burst * law_.token - law_.capacity);
        plan.range.units = kOrigin + kRange.units - now;
        const std::int64_t whole = alone.token * alone.tick;
        const std::int64_t common = std::gcd(law_.token, whole);
        const std::int64_t tick = whole / common;
        const std::int64_t most = std::numeric_limits<std::uint32_t>::max() / alone.rate;
        const std::int64_t rate =
            law_.token / common <= most ? law_.token / common * alone.rate : 0;
        if (rate == 0 || tick > BucketLaw::kCoarsestTick ||
            plan.range.units / rate < kLeastSpan.count() / tick) {
            refuse(
                plan.names.tokens,
                " in this period is too odd or too high a rate for this table: choose a "
                "rounder one, or make a new table"
            );
        }
        const std::uint32_t generation = law_.generation + 1;
        law_ = law_of_units(plan, rate, law_.token, tick, alone.divisor);
        law_.generation = generation;
        base_ = std::max(ns, base_);
        origin_ = now;
    }

    BucketLaw law_;
    std::int64_t base_;              // nanoseconds
    std::int64_t origin_ = kOrigin;  // units that the clock stood at then
};

/// The same, upside down: see LeakyBucket.
class KeyedLeakyLaw : public KeyedBucketLaw {
public:
    using KeyedBucketLaw::KeyedBucketLaw;

    static BucketPlan plan(const LeakyBucketOptions& o) {
        BucketPlan plan = KeyedBucketLaw::plan(o.units, o.period, o.capacity);
        plan.names = {"LeakyBucketOptions", "units", "capacity"};
        return plan;
    }

    /// As above: a bucket has as many units in it as before.
    KeyedLeakyLaw changed(const LeakyBucketOptions& o, std::int64_t ns) const {
        KeyedLeakyLaw next{*this};
        next.go_on(plan(o), ns, [](std::int64_t larger) { return larger; });
        return next;
    }

    Taking take(std::int64_t word, std::uint32_t n, Moment now) const noexcept {
        const auto wait = drain(word, now);
        return {law_.taken(word, now.units, n), {wait.count() == 0, wait}};
    }

    Undoing undo(
        std::int64_t word, const Receipt& receipt, std::uint64_t returned, std::int64_t
    ) const noexcept {
        const std::int64_t left = idle(moment(receipt.taken_at)) + receipt.drained;
        const bool last = word == left && returned == receipt.returned &&
                          receipt.generation == law_.generation;
        return {last ? left - receipt.tokens * law_.token : word, 0, last};
    }

    LimiterSnapshot snapshot(std::int64_t word, Moment now) const noexcept {
        const auto wait = drain(word, now);
        const std::uint32_t available = wait.count() == 0 ? law_.burst : 0;
        return {law_.burst, available, wait, wait};
    }

private:
    std::chrono::nanoseconds drain(std::int64_t word, Moment now) const noexcept {
        return law_.wait(law_.edge(word, now.units) - idle(now), now.phase);
    }
};

/// Decides for the windows of a table.
template <class Window>
class KeyedWindowLaw : public Window::Law {
    using Law = typename Window::Law;

public:
    using Moment = typename Law::Moment;
    using Undoing = KeyedBucketLaw::Undoing;

    explicit KeyedWindowLaw(const Law& law) : Law{law} {}

    /// The law with another limit, by which words mean the same.
    /// @throws std::invalid_argument Names the option that is out of range, or that would
    /// give words another meaning.
    KeyedWindowLaw changed(const typename Window::Options& o, std::int64_t) const {
        const KeyedWindowLaw next{Window::make_law(o)};
        if (next.clock().same_as(Law::clock())) return next;
        const bool length = next.clock().window() != Law::clock().window();
        throw std::invalid_argument{
            std::string{"KeyedLimiterOptions::limit."} + (length ? "window" : "offset") +
            " cannot be changed in use"};
    }

    bool same_as(const KeyedWindowLaw& other) const noexcept {
        return Law::limit() == other.limit();
    }

    Receipt receipt(std::uint32_t n, std::int64_t, Moment, std::int64_t ns)
        const noexcept {
        return {.tokens = n, .taken_at = ns};
    }

    Undoing undo(
        std::int64_t word, const Receipt& receipt, std::uint64_t returned, std::int64_t
    ) const noexcept {
        if (returned - receipt.returned >= BucketLaw::kReset) return {word, 0, false};
        const Moment taken = Law::moment(receipt.taken_at);
        // Words mean the same by every limit: whatever is counted may come back.
        const std::int64_t next = Law::undo(word, receipt.tokens, taken, 0);
        return {next, 0, next != word};
    }
};

/// The law of a table of limiters.
inline KeyedBucketLaw keyed_law(const TokenBucketOptions& o, TimePoint now) {
    return {make_bucket_law(KeyedBucketLaw::plan(o)), now};
}

inline KeyedLeakyLaw keyed_law(const LeakyBucketOptions& o, TimePoint now) {
    return {make_bucket_law(KeyedLeakyLaw::plan(o)), now};
}

inline KeyedWindowLaw<SlidingWindow> keyed_law(const SlidingWindowOptions& o, TimePoint) {
    return KeyedWindowLaw<SlidingWindow>{SlidingWindow::make_law(o)};
}

inline KeyedWindowLaw<FixedWindow> keyed_law(const FixedWindowOptions& o, TimePoint) {
    return KeyedWindowLaw<FixedWindow>{FixedWindow::make_law(o)};
}

}  // namespace resilience::detail

#endif
