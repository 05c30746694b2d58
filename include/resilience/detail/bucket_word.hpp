// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUCKET_WORD_HPP
#define RESILIENCE_DETAIL_BUCKET_WORD_HPP

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/shared_bucket_law.hpp>
#include <resilience/detail/sync.hpp>
#include <resilience/detail/wrapping.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace resilience::detail {

/// What a decision about a bucket comes to.
template <class Answer>
struct Decision {
    Answer answer;
    std::int64_t next;  // the zero afterwards
    bool change;        // whether that is to be stored
};

/// What has nothing to announce.
struct Unannounced {
    void operator()() const noexcept {}
};

/// The numbers that the law of a bucket was made of.
struct BucketTerms {
    std::uint32_t tokens;
    std::chrono::nanoseconds period;
    std::uint32_t burst;
    std::uint32_t max_debt;
};

/** Holds the state of one bucket in one atomic word, for as long as the program runs, and
    the law by which it counts.

    The word is the bucket's zero. The law counts in multiples of four here (its grain),
   so two bits are free to tell how to read the rest, the side: the upper one tells which
   of two laws it counts by, the lower one from which of two bases of that law. When the
   clock runs out of the range of one base, the other is moved on and the word translated
   to it; when the law is to be another, the law that is not in use is replaced and the
   word translated to that. Each takes effect by one exchange of the word.
*/
class alignas(64) BucketWord {
public:
    static constexpr std::int64_t kUnit = std::int64_t{1} << 60;
    static constexpr std::int64_t kGrain = 4;
    static constexpr BucketRange kRange{
        .units = 2 * kUnit, .span = std::chrono::hours{2}, .grain = kGrain};

    /// What the word says about one instant by its law, all of which belong together.
    struct View {
        const BucketLaw& law;
        std::int64_t zero;
        std::int64_t now;
        std::int64_t phase;
        std::int64_t base;
        bool beyond;  // the clock is too far ahead to store in terms of this base

        std::int64_t side() const noexcept { return now & kSides; }
        Moment moment() const noexcept { return {now, phase}; }
        /// Where a zero of this view is in units since the clock's epoch, which wrap
        /// around: the same by every base.
        std::int64_t place_of(std::int64_t some_zero) const noexcept {
            const Wrapping origin = Wrapping{law.tick_of(base)} * law.rate;
            return (origin + some_zero - side()).value();
        }
        /// Full wherever the clock stands.
        std::int64_t lowest() const noexcept { return -kUnit + side(); }
        std::int64_t highest() const noexcept { return 5 * kUnit - kGrain + side(); }
    };

    /// Starts full. The first change moves the base to its own time, so no clock is read
    /// here.
    explicit BucketWord(const BucketLaw& law) noexcept {
        laws_[0] = law;
        for (auto& base : bases_) base.store(law.tick_of(-kTimeLimit) * law.tick);
    }

    std::int64_t word() const noexcept { return word_.load(); }

    /// Calls `look(view)` and returns what that returns.
    template <class Look>
    auto inspect(std::int64_t at, Look look) const noexcept {
        std::int64_t word = word_.load(std::memory_order_acquire);
        const Reckoning by = reckoning(word);
        return look(view(by, word, at));
    }

    /// Calls `decide(view)` until the Decision that it returns is carried out, and
    /// returns the answer. Calls `announce()` before each attempt to carry out a change.
    template <class Decide, class Announce = Unannounced>
    auto update(std::int64_t at, Decide decide, Announce announce = {}) noexcept {
        std::int64_t word = word_.load(std::memory_order_acquire);
        for (;;) {
            const Reckoning by = reckoning(word);
            const View view = this->view(by, word, at);
            const auto decision = decide(view);
            if (!decision.change) return decision.answer;
            if (view.beyond) {
                word = rebase(word, at);
                continue;
            }
            announce();
            if (exchange(word, decision.next)) return decision.answer;
        }
    }

    /// What the law in use was made of.
    BucketTerms terms() const noexcept {
        return inspect(0, [](const View& view) {
            const BucketLaw& law = view.law;
            const std::int64_t whole = law.token / kGrain * law.tick;
            return BucketTerms{
                .tokens = static_cast<std::uint32_t>(law.rate / kGrain * law.divisor),
                .period = std::chrono::nanoseconds{whole * law.divisor},
                .burst = law.burst,
                .max_debt = law.max_debt};
        });
    }

    /// Takes `n` tokens, at least 1, or none: what is called most, laid out for speed. Of
    /// the law it reads what it needs when it needs it, so the numbers may be some of one
    /// law and some of another until the word is found to be the same.
    Admission take(std::uint32_t n, std::int64_t at) noexcept {
        std::int64_t word = word_.load(std::memory_order_acquire);
        for (;;) {
            const Side side = side_of(word);
            const SharedBucketLaw& law = side.law;
            const std::int64_t since = (Wrapping{at} - side.base).value();
            if (n > law.burst) [[unlikely]]
                return take_afar(n, at);
            const Wrapping cost = Wrapping{n} * law.token;
            Moment moment{0, 0};
            // No base is beyond the time limit, so a difference that wraps around is
            // never within a span.
            if (within(since, law.fine)) [[likely]] {
                moment.units = (Wrapping{since} * law.rate).value();
            } else if (within(since, law.span)) {
                moment = law.moment_of_ticks(since);
            } else {
                return take_afar(n, at);
            }
            // Units come in fours, of which the side's number is never a whole one: it
            // need not be known to find out what is missing.
            const std::int64_t missing = (cost + word - moment.units - kGrain).value();
            if (missing < 0) {
                const Wrapping full = Wrapping{moment.units} + side.number - law.capacity;
                const Wrapping next = cost + std::max(word, full.value());
                if (exchange(word, next.value())) return Admission::admit();
            } else {
                const auto wait = law.wait_beyond(missing, moment.phase);
                if (unchanged(word)) return Admission::refuse(wait);
            }
        }
    }

    /// Moves on the base that `word` does not count from, and returns it. One that is
    /// already later than the base in use is a proposal of another thread: it is not
    /// changed again, so threads that rebase at once agree. An earlier one is returned if
    /// the word has changed.
    /// @param law By which `word` counts.
    std::int64_t propose_base(
        const BucketLaw& law, std::int64_t word, std::int64_t at
    ) noexcept {
        const std::int64_t base = bases_[word & kSides].load();
        Atomic<std::int64_t>& idle = bases_[(word & kSides) ^ 1];
        const std::int64_t proposal = base_before(law, at);
        std::int64_t next = idle.load();
        if (word_.load() != word || next > base) return next;
        return idle.compare_exchange_strong(next, proposal) ? proposal : next;
    }

    /** Puts another law in the place of the one in use, at the instant `at`, or at that
       of the last change if that is later: what was earned since is not earned again.

        @param translate `translate(old, level, law, from)` tells what a level, in units
       of the old law, is in units of the new one, which counts from the instant `from`;
       below zero they are debt, of 4 kUnit at most.
    */
    template <class Translate>
    void replace_law(BucketLaw law, std::int64_t at, Translate translate) {
        const std::lock_guard lock{replacing_};
        std::int64_t word = word_.load();
        const std::int64_t side = ~word & 2;
        Reckoning before = reckoning(word);
        law.generation = before.law.generation + 1;
        laws_[side / 2] = law;
        for (;;) {
            // A clock that is older than all that the word can tell counts from there,
            // and no base is before the time limit.
            before.base = bases_[word & kSides].load();
            const std::int64_t from =
                std::max({at, before.base, earliest_change(law), changed_at_});
            // An empty bucket would have the same word after every other replacement.
            const std::int64_t differs =
                law.generation % 0x10000 * std::int64_t{law.tick};
            const std::int64_t base = base_before(law, from) - differs;
            bases_[side] = base;
            bases_[side + 1] = base;
            const View old = view(before, word, from);
            const std::int64_t old_level = old.now - old.law.edge(old.zero, old.now);
            const std::int64_t level = translate(old.law, old_level, law, from);
            // A tick that has begun has been counted: the next one is the first to earn.
            const std::int64_t ticks = ceil_div(from - base, law.tick);
            const std::int64_t zero = (ticks * law.rate - level + kSides) & ~kSides;
            const std::int64_t next = std::clamp(zero, -kUnit, 5 * kUnit - kGrain);
            if (word_.compare_exchange_strong(word, next + side)) {
                changed_at_ = from;
                return;
            }
        }
    }

private:
    static constexpr std::int64_t kSides = kGrain - 1;
    static constexpr std::int64_t kFar = 6 * kUnit;  // every bucket is full by then

    /// Where the range begins that has `at` in its middle.
    static std::int64_t base_before(const BucketLaw& law, std::int64_t at) noexcept {
        return (law.tick_of(at) - law.span / law.tick / 2) * law.tick;
    }

    static std::int64_t earliest_change(const BucketLaw& law) noexcept {
        return law.span / 2 + 0x10001 * std::int64_t{law.tick} - kTimeLimit;
    }

    struct Side {
        const SharedBucketLaw& law;
        std::int64_t base;
        std::int64_t number;
    };

    // Branches, because they are predicted: an index would have to wait for the word, and
    // so would a number that is computed from it.
    Side side_of(std::int64_t word) const noexcept {
        const std::int64_t number = word & kSides;
        if (number == 1) return side<1>();
        if (number == 0) return side<0>();
        return number == 2 ? side<2>() : side<3>();
    }

    template <int kNumber>
    Side side() const noexcept {
        return {
            laws_[kNumber / 2],
            bases_[kNumber].load(std::memory_order_acquire),
            numbers_[kNumber]};
    }

    static bool within(std::int64_t since, std::int64_t span) noexcept {
        return static_cast<std::uint64_t>(since) <= static_cast<std::uint64_t>(span);
    }

    /// False, and `word` is what it is now, if it was not changed from `word` to `next`.
    bool exchange(std::int64_t& word, std::int64_t next) noexcept {
        return word_.compare_exchange_weak(
            word, next, std::memory_order_release, std::memory_order_acquire
        );
    }

    /// Whether the word is still the same, so that the law was not replaced under the
    /// reader's hands; else `word` is what it is now.
    bool unchanged(std::int64_t& word) const noexcept {
        const std::int64_t before = word;
        word = word_.load(std::memory_order_acquire);
        return word == before;
    }

    [[gnu::noinline]] Admission take_afar(std::uint32_t n, std::int64_t at) noexcept {
        return update(at, [n](const View& view) {
            if (n > view.law.burst) {
                return Decision<Admission>{Admission::refuse(Admission::never), 0, false};
            }
            const std::int64_t next = view.law.taken(view.zero, view.now, n);
            const Admission answer = view.law.judge(next, view.moment());
            return Decision<Admission>{answer, next, answer.admitted};
        });
    }

    /// What a word counts by, all of one piece.
    struct Reckoning {
        BucketLaw law;
        std::int64_t base;
    };

    /// What `word` counts by. If it has changed, `word` is then what it has become.
    Reckoning reckoning(std::int64_t& word) const noexcept {
        for (;;) {
            const Side side = side_of(word);
            const Reckoning found{side.law.load(), side.base};
            if (unchanged(word)) return found;
        }
    }

    // Refers to the law of `by`: copying it takes longer than deciding.
    static View view(const Reckoning& by, std::int64_t word, std::int64_t at) noexcept {
        const BucketLaw& law = by.law;
        const std::int64_t side = word & kSides;
        const std::int64_t since = within_time_limit(at) - by.base;
        if (since < 0) [[unlikely]] {
            // Older than anything the word can tell: empty until the oldest that it can.
            const std::int64_t phase = std::max(since, -kTimeLimit / 2);
            return {law, std::max(word, side), side, phase, by.base, false};
        }
        if (since <= law.span) [[likely]] {
            const Moment moment = law.moment(since);
            return {law, word, moment.units + side, moment.phase, by.base, false};
        }
        const std::int64_t ticks = law.tick_of(since);
        const std::int64_t far = kFar / law.rate;
        if (ticks > far) return {law, word, far * law.rate + side, 0, by.base, true};
        const std::int64_t phase = since - ticks * law.tick;
        return {law, word, ticks * law.rate + side, phase, by.base, true};
    }

    // Translates the word to a later base; returns it as it is now. Since bases only
    // grow, a thread that comes late finds either the word or the base changed, and does
    // nothing. (One that sleeps between a load and its exchange for two rebases, an hour
    // at the least, or two replacements of the law, and then finds the very same word
    // would be deceived.)
    [[gnu::noinline]] std::int64_t rebase(std::int64_t word, std::int64_t at) noexcept {
        const std::int64_t decided = word;
        const Reckoning by = reckoning(word);
        if (word != decided) return word;
        const BucketLaw& law = by.law;
        const std::int64_t side = word & kSides;
        const std::int64_t next = propose_base(law, word, within_time_limit(at));
        if (next <= by.base) return word_.load();
        const std::int64_t ticks = (next - by.base) / law.tick;
        std::int64_t translated = -kUnit;
        if (ticks <= kFar / law.rate) {
            translated = std::max(translated, word - side - ticks * law.rate);
        }
        translated += side ^ 1;
        return word_.compare_exchange_strong(word, translated) ? translated : word;
    }

    Atomic<std::int64_t> word_{-kUnit};
    Atomic<std::int64_t> bases_[kGrain];  // nanoseconds; those of one law only grow
    std::int8_t numbers_[kGrain]{0, 1, 2, 3};
    SharedBucketLaw laws_[2];
    Mutex replacing_;
    std::int64_t changed_at_ = -kTimeLimit;  // nanoseconds; guarded by replacing_
};

}  // namespace resilience::detail

#endif
