// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUCKET_WORD_HPP
#define RESILIENCE_DETAIL_BUCKET_WORD_HPP

#include <resilience/detail/bucket_law.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace resilience::detail {

/** Holds the state of one bucket in one atomic word, for as long as the program runs.

    The word is the bucket's zero, shifted left by one; the low bit tells which of two
   bases its units count from. When the clock runs out of the range of one base, the other
   is moved on and the word translated to it.
*/
class BucketWord {
public:
    static constexpr std::int64_t kUnit = std::int64_t{1} << 60;
    static constexpr BucketRange kRange{kUnit, std::chrono::hours{1}};
    static constexpr std::int64_t kLongFull =
        -2 * kUnit;  // full wherever the clock stands
    static constexpr std::int64_t kCeiling = 4 * kUnit - 1;
    static constexpr std::int64_t kFar = 6 * kUnit;  // every bucket is full by then

    /// What one reading of the word says about one instant.
    struct View {
        std::int64_t zero;
        std::int64_t now;
        std::int64_t phase;
        std::int64_t base;  // nanoseconds
        bool beyond;        // the clock is too far ahead to store in terms of this base
    };

    /// Starts full. The first change moves the base to its own time, so no clock is read
    /// here.
    explicit BucketWord(const BucketLaw& law) noexcept {
        const std::int64_t first = (law.tick_of(-kTimeLimit) + 1) * law.tick;
        base_[0].store(first, std::memory_order_relaxed);
        base_[1].store(first, std::memory_order_relaxed);
    }

    View view(const BucketLaw& law, std::int64_t at) const noexcept {
        return look(law, word_.load(std::memory_order_acquire), at);
    }

    /// Calls `decide(view, next)` until the `next` that it sets is stored or it returns
    /// false.
    template <class Decide>
    void update(const BucketLaw& law, std::int64_t at, Decide decide) noexcept {
        std::int64_t word = word_.load(std::memory_order_acquire);
        for (;;) {
            const View view = look(law, word, at);
            std::int64_t next = view.zero;
            if (!decide(view, next)) return;
            if (view.beyond) [[unlikely]] {
                word = rebase(law, word, at);
            } else if (word_.compare_exchange_weak(
                           word,
                           pack(next, word & 1),
                           std::memory_order_acq_rel,
                           std::memory_order_acquire
                       )) {
                return;
            }
        }
    }

private:
    static constexpr std::int64_t pack(std::int64_t zero, std::int64_t side) noexcept {
        return zero * 2 + side;
    }

    View look(const BucketLaw& law, std::int64_t word, std::int64_t at) const noexcept {
        const std::int64_t base = base_[word & 1].load(std::memory_order_relaxed);
        const std::int64_t since = at - base;
        const auto span = static_cast<std::uint64_t>(law.span);
        if (static_cast<std::uint64_t>(since) + span > 2 * span) [[unlikely]] {
            return look_afar(law, word >> 1, base, since);
        }
        const Moment moment = law.moment(since);
        return {word >> 1, moment.units, moment.phase, base, false};
    }

    static View look_afar(
        const BucketLaw& law, std::int64_t zero, std::int64_t base, std::int64_t since
    ) noexcept {
        if (since < 0) {
            // Older than anything the word can tell: count as empty until the oldest it
            // can.
            const std::int64_t oldest = -law.span / law.tick * law.rate;
            const std::int64_t phase = std::max(since + law.span, -kTimeLimit / 2);
            return {std::max(zero, oldest), oldest, phase, base, false};
        }
        const std::int64_t ticks = law.tick_of(since);
        const std::int64_t far = kFar / law.rate;
        if (ticks > far) return {zero, far * law.rate, 0, base, true};
        return {zero, ticks * law.rate, since - ticks * law.tick, base, true};
    }

    // Moves the base that is not in use, then translates the word to it; returns the word
    // as it is now. A base later than the one in use is a proposal: it is never changed
    // and everyone adopts it, so threads that rebase at once agree. Since bases only
    // grow, a thread that comes late finds either the word or the base changed, and does
    // nothing. (One that sleeps between a load and its exchange for two rebases, an hour
    // at the least, and then finds the very same word would be deceived.)
    std::int64_t rebase(
        const BucketLaw& law, std::int64_t word, std::int64_t at
    ) noexcept {
        const std::int64_t side = word & 1;
        const std::int64_t base = base_[side].load();
        std::int64_t next = base_[side ^ 1].load();
        if (const std::int64_t seen = word_.load(); seen != word) return seen;
        if (next <= base) {
            const std::int64_t back = law.span / law.tick / 2;
            const std::int64_t proposal = (law.tick_of(at) - back) * law.tick;
            if (base_[side ^ 1].compare_exchange_strong(next, proposal)) next = proposal;
            if (next <= base) return word_.load();
        }
        const std::int64_t ticks = (next - base) / law.tick;
        const std::int64_t zero =
            ticks > kFar / law.rate ? kLongFull
                                    : std::max(kLongFull, (word >> 1) - ticks * law.rate);
        const std::int64_t translated = pack(zero, side ^ 1);
        return word_.compare_exchange_strong(word, translated) ? translated : word;
    }

    std::atomic<std::int64_t> word_{pack(kLongFull, 0)};
    std::atomic<std::int64_t> base_[2];  // nanoseconds; only ever grow
};

}  // namespace resilience::detail

#endif
