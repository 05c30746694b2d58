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

    The word is the bucket's zero. The law counts in even numbers here (its grain is 2),
   so the low bit is free to tell which of two bases the word counts from: everything that
    counts from the second is odd. When the clock runs out of the range of one base, the
   other is moved on and the word translated to it.
*/
class BucketWord {
public:
    static constexpr std::int64_t kRangeUnits = std::int64_t{1} << 60;
    static constexpr BucketRange kRange{
        .units = kRangeUnits, .span = std::chrono::hours{1}, .grain = 2};

    /// What one reading of the word says about one instant.
    struct View {
        std::int64_t zero;
        std::int64_t now;
        std::int64_t phase;
        bool beyond;  // the clock is too far ahead to store in terms of this base

        constexpr std::int64_t side() const noexcept { return now & 1; }
        /// Full wherever the clock stands.
        constexpr std::int64_t lowest() const noexcept {
            return -2 * kRangeUnits + side();
        }
        constexpr std::int64_t highest() const noexcept {
            return 4 * kRangeUnits - 2 + side();
        }
    };

    /// Starts full. The first change moves the base to its own time, so no clock is read
    /// here.
    explicit BucketWord(const BucketLaw& law) noexcept : law_{law} {
        const std::int64_t first = (law.tick_of(-kTimeLimit) + 1) * law.tick;
        base_[0].store(first, std::memory_order_relaxed);
        base_[1].store(first, std::memory_order_relaxed);
    }

    const BucketLaw& law() const noexcept { return law_; }

    std::int64_t word() const noexcept { return word_.load(); }

    View view(std::int64_t at) const noexcept {
        return look(word_.load(std::memory_order_acquire), at);
    }

    /// Calls `decide(view, next)` until the `next` that it sets is stored or it returns
    /// false.
    template <class Decide>
    void update(std::int64_t at, Decide decide) noexcept {
        std::int64_t word = word_.load(std::memory_order_acquire);
        for (;;) {
            const View view = look(word, at);
            std::int64_t next = view.zero;
            if (!decide(view, next)) return;
            if (view.beyond) [[unlikely]] {
                word = rebase(word, at);
            } else if (word_.compare_exchange_weak(
                           word,
                           next,
                           std::memory_order_acq_rel,
                           std::memory_order_acquire
                       )) {
                return;
            }
        }
    }

    /// Moves on the base that `word` does not count from, and returns it. One that is
    /// already later than the base in use is a proposal of another thread: it is not
    /// changed again, so threads that rebase at once agree. An earlier one is returned if
    /// the word has changed.
    std::int64_t propose_base(std::int64_t word, std::int64_t at) noexcept {
        const std::int64_t base = base_[word & 1].load();
        std::atomic<std::int64_t>& idle = base_[~word & 1];
        std::int64_t next = idle.load();
        if (word_.load() != word || next > base) return next;
        const std::int64_t back = law_.span / law_.tick / 2;
        const std::int64_t proposal = (law_.tick_of(at) - back) * law_.tick;
        return idle.compare_exchange_strong(next, proposal) ? proposal : next;
    }

private:
    static constexpr std::int64_t kFar = 6 * kRangeUnits;  // every bucket is full by then

    // A branch, because it is predicted: an index would have to wait for the word.
    View look(std::int64_t word, std::int64_t at) const noexcept {
        return word & 1 ? look<1>(word, at) : look<0>(word, at);
    }

    template <int kSide>
    View look(std::int64_t word, std::int64_t at) const noexcept {
        const std::int64_t since = at - base_[kSide].load(std::memory_order_relaxed);
        const auto span = static_cast<std::uint64_t>(law_.span);
        if (static_cast<std::uint64_t>(since) + span > 2 * span) [[unlikely]] {
            return look_afar(word, since);
        }
        const Moment moment = law_.moment(since);
        return {word, moment.units + kSide, moment.phase, false};
    }

    [[gnu::noinline]] View look_afar(std::int64_t word, std::int64_t since)
        const noexcept {
        const std::int64_t side = word & 1;
        if (since < 0) {
            // Older than anything the word can tell: empty until the oldest that it can.
            const std::int64_t oldest = -law_.span / law_.tick * law_.rate + side;
            const std::int64_t phase = std::max(since + law_.span, -kTimeLimit / 2);
            return {std::max(word, oldest), oldest, phase, false};
        }
        const std::int64_t ticks = law_.tick_of(since);
        const std::int64_t far = kFar / law_.rate;
        if (ticks > far) return {word, far * law_.rate + side, 0, true};
        return {word, ticks * law_.rate + side, since - ticks * law_.tick, true};
    }

    // Translates the word to a later base; returns it as it is now. Since bases only
    // grow, a thread that comes late finds either the word or the base changed, and does
    // nothing. (One that sleeps between a load and its exchange for two rebases, an hour
    // at the least, and then finds the very same word would be deceived.)
    [[gnu::noinline]] std::int64_t rebase(std::int64_t word, std::int64_t at) noexcept {
        const std::int64_t side = word & 1;
        const std::int64_t base = base_[side].load();
        const std::int64_t next = propose_base(word, at);
        if (next <= base) return word_.load();
        const std::int64_t ticks = (next - base) / law_.tick;
        std::int64_t translated = -2 * kRangeUnits;
        if (ticks <= kFar / law_.rate) {
            translated = std::max(translated, word - side - ticks * law_.rate);
        }
        translated += side ^ 1;
        return word_.compare_exchange_strong(word, translated) ? translated : word;
    }

    std::atomic<std::int64_t> word_{-2 * kRangeUnits};
    std::atomic<std::int64_t> base_[2];  // nanoseconds; only ever grow
    BucketLaw law_;                      // with the rest, one cache line
};

}  // namespace resilience::detail

#endif
