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
#include <stdexcept>

namespace resilience::detail {

/** Decides for the buckets of a table, of which the words are all counted from one
   origin.

    A word is a zero plus kOrigin: positive, as the table wants it, however early the
   clock. The tick is coarse enough for the clock to run for 100 years, and it may be late
   by 12.
*/
class KeyedBucketLaw {
public:
    using Moment = detail::Moment;

    KeyedBucketLaw(const BucketLaw& law, TimePoint now) noexcept : law_{law} {
        const std::int64_t ns = std::max(nanoseconds_of(now), -kTimeLimit / 2);
        base_ = (law.tick_of(ns) - law.span / law.tick / 9) * law.tick;
    }

    static BucketPlan plan(
        std::uint32_t tokens, std::chrono::nanoseconds period, std::uint32_t burst
    ) {
        return {.tokens = tokens, .period = period, .burst = burst, .range = kRange};
    }

    const BucketLaw& bucket() const noexcept { return law_; }
    std::uint32_t limit() const noexcept { return law_.burst; }

    Moment moment(std::int64_t ns) const noexcept {
        const std::int64_t since = ns - base_;
        const std::int64_t kept = std::clamp<std::int64_t>(since, 0, law_.span);
        Moment moment = law_.moment(kept);
        moment.units += kOrigin;
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
        return {.tokens = n, .taken_at = ns, .drained = next - idle(now)};
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

    BucketLaw law_;
    std::int64_t base_;  // nanoseconds
};

/// The same, upside down: see LeakyBucket.
class KeyedLeakyLaw : public KeyedBucketLaw {
public:
    using KeyedBucketLaw::KeyedBucketLaw;

    Taking take(std::int64_t word, std::uint32_t n, Moment now) const noexcept {
        const auto wait = drain(word, now);
        return {law_.taken(word, now.units, n), {wait.count() == 0, wait}};
    }

    Undoing undo(
        std::int64_t word, const Receipt& receipt, std::uint64_t returned, std::int64_t
    ) const noexcept {
        const std::int64_t left = idle(moment(receipt.taken_at)) + receipt.drained;
        const bool last = word == left && returned == receipt.returned;
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
template <LimitLaw Law>
class KeyedWindowLaw : public Law {
public:
    using Moment = typename Law::Moment;
    using Undoing = KeyedBucketLaw::Undoing;

    explicit KeyedWindowLaw(const Law& law) : Law{law} {}

    Receipt receipt(std::uint32_t n, std::int64_t, Moment, std::int64_t ns)
        const noexcept {
        return {.tokens = n, .taken_at = ns};
    }

    Undoing undo(
        std::int64_t word, const Receipt& receipt, std::uint64_t returned, std::int64_t
    ) const noexcept {
        if (returned - receipt.returned >= BucketLaw::kReset) return {word, 0, false};
        const Moment taken = Law::moment(receipt.taken_at);
        const std::int64_t next = Law::undo(word, receipt.tokens, taken);
        return {next, 0, next != word};
    }
};

/// The law of a table of limiters.
inline KeyedBucketLaw keyed_law(const TokenBucketOptions& o, TimePoint now) {
    if (o.max_debt != 0) {
        throw std::invalid_argument{"KeyedLimiterOptions::limit.max_debt must be 0"};
    }
    const BucketPlan plan = KeyedBucketLaw::plan(o.tokens, o.period, o.burst);
    return {make_bucket_law(plan), now};
}

inline KeyedLeakyLaw keyed_law(const LeakyBucketOptions& o, TimePoint now) {
    BucketPlan plan = KeyedBucketLaw::plan(o.units, o.period, o.capacity);
    plan.names = {"LeakyBucketOptions", "units", "capacity"};
    return {make_bucket_law(plan), now};
}

inline KeyedWindowLaw<SlidingWindowLaw> keyed_law(
    const SlidingWindowOptions& o, TimePoint
) {
    return KeyedWindowLaw{SlidingWindow::make_law(o)};
}

inline KeyedWindowLaw<FixedWindowLaw> keyed_law(const FixedWindowOptions& o, TimePoint) {
    return KeyedWindowLaw{FixedWindow::make_law(o)};
}

}  // namespace resilience::detail

#endif
