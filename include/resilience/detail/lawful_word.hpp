// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LAWFUL_WORD_HPP
#define RESILIENCE_DETAIL_LAWFUL_WORD_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/limit_law.hpp>
#include <resilience/detail/replacements.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

namespace resilience::detail {

/** A word and the law that decides for it, which may be replaced. Lock-free: whoever is
    overtaken decides again, as often as it takes, and somebody has got on each time.

    Each law has a word of its own, so that no word is ever read by another law than wrote
    it: the two are an era. To replace the law, its era is told which comes next, and is
    ended by one exchange of its word, which remains legible: whoever finds it ended takes
    it over into the next era, all with the same result, and goes on there. An era is kept
    to the end, since somebody may still be coming from it.
*/
template <LimitLaw Law, std::equality_comparable Options>
class LawfulWord {
public:
    /// A law, and the word that it decides by from `since` on.
    struct alignas(64) Era {
        Era(const Law& l, const Options& o, std::int64_t from, const Era* ended)
            : word{ended ? kNotBegun : 0},
              before{ended},
              law{l},
              options{o},
              since{from} {}

        Atomic<std::int64_t> word;
        const Era* const before;  // none before the first
        const Law law;
        const Options options;
        const std::int64_t since;     // nanoseconds
        typename Law::Start start{};  // to be read once the era has ended
        Atomic<Era*> next{nullptr};
    };

    LawfulWord(const Law& law, const Options& options) noexcept
        : first_{law, options, std::numeric_limits<std::int64_t>::min(), nullptr} {}

    LawfulWord(const LawfulWord&) = delete;
    LawfulWord& operator=(const LawfulWord&) = delete;

    /// The options of which the law was made.
    Options options() const noexcept { return era()->options; }

    Admission try_acquire(std::uint32_t n, TimePoint now) noexcept {
        if (n == 0) return Admission::admit();
        const std::int64_t at = nanoseconds_of(now);
        Taking taking{};
        update([&](const Era& era, std::int64_t word, std::int64_t& next) {
            taking = take(era.law, word, n, at);
            next = taking.next;
            return taking.answer.admitted;
        });
        return taking.answer;
    }

    Admission peek(std::uint32_t n, TimePoint now) const noexcept {
        if (n == 0) return Admission::admit();
        std::int64_t word = 0;
        const Law& law = open(word)->law;
        return take(law, word, n, nanoseconds_of(now)).answer;
    }

    LimiterSnapshot snapshot(TimePoint now) const noexcept {
        std::int64_t word = 0;
        const Law& law = open(word)->law;
        return law.snapshot(word, law.moment(nanoseconds_of(now)));
    }

    /// What was taken in an earlier era does not come back. Its instants are at most that
    /// of the change, unless it was taken while that was under way: so what was counted
    /// then is never undone either.
    bool refund(std::uint32_t n, TimePoint taken_at) noexcept {
        const std::int64_t at = nanoseconds_of(taken_at);
        bool back = false;
        update([&](const Era& era, std::int64_t word, std::int64_t& next) {
            if (at <= era.since) return back = false;
            next = era.law.undo(word, n, era.law.moment(at), first_word(era));
            return back = next != word;
        });
        return back;
    }

    /// Calls `decide(era, word, next)` until the `next` that it sets is stored or it
    /// returns false.
    template <class Decide>
    void update(Decide decide) noexcept {
        std::int64_t word = 0;
        Era* era = open(word);
        std::int64_t next = word;
        while (decide(*era, word, next) &&
               !era->word.compare_exchange_weak(word, next, std::memory_order_relaxed)) {
            if (word < 0) [[unlikely]]
                era = open(word);
        }
    }

    /** Puts another law in the place of the one in use, unless its options are the same.

        @param at The current time.
        @throws std::length_error There is no room for another era.
        @throws std::bad_alloc
    */
    void replace(const Law& law, const Options& options, std::int64_t at) {
        const std::lock_guard lock{mutex_};
        Era* const old = era();
        if (old->options == options) return;
        replacements_.demand_room();
        later_.push_back(std::make_unique<Era>(law, options, at, old));
        replacements_.add();
        old->next.store(later_.back().get(), std::memory_order_relaxed);
        std::int64_t word = old->word.load(std::memory_order_relaxed);
        while (!old->word.compare_exchange_weak(
            word, word ^ kEnded, std::memory_order_release, std::memory_order_relaxed
        )) {
        }
        Era* const now = after(*old);
        now->start = start_of(*now, *old, word ^ kEnded);
        era_.store(now, std::memory_order_release);
    }

private:
    static constexpr std::int64_t kEnded = std::numeric_limits<std::int64_t>::min();
    // Neither a word nor an ended one: no law uses the last of all words.
    static constexpr std::int64_t kNotBegun = -1;

    static Taking take(
        const Law& law, std::int64_t word, std::uint32_t n, std::int64_t at
    ) noexcept {
        if (n > law.limit()) return {word, Admission::refuse(Admission::never)};
        return law.take(word, n, law.moment(at));
    }

    Era* era() const noexcept { return era_.load(std::memory_order_acquire); }

    /// The era that goes on, and its word.
    Era* open(std::int64_t& word) const noexcept {
        Era* era = this->era();
        word = era->word.load(std::memory_order_relaxed);
        while (word < 0) [[unlikely]] {
                era = after(*era);
                word = era->word.load(std::memory_order_relaxed);
            }
        return era;
    }

    /// The era after one that has ended, begun.
    [[gnu::noinline]] static Era* after(Era& ended) noexcept {
        const std::int64_t last = ended.word.load(std::memory_order_acquire);
        Era* const next = ended.next.load(std::memory_order_relaxed);
        const std::int64_t first = start_of(*next, ended, last).word;
        std::int64_t none = kNotBegun;
        next->word.compare_exchange_strong(none, first, std::memory_order_relaxed);
        return next;
    }

    static std::int64_t first_word(const Era& era) noexcept {
        if (era.before == nullptr) return 0;
        const std::int64_t last = era.before->word.load(std::memory_order_acquire);
        return start_of(era, *era.before, last).word;
    }

    static typename Law::Start start_of(
        const Era& next, const Era& ended, std::int64_t last
    ) noexcept {
        return next.law.carried(ended.law, last ^ kEnded, ended.start, next.since);
    }

    Era first_;
    Atomic<Era*> era_{&first_};
    Mutex mutex_;
    std::vector<std::unique_ptr<Era>> later_;
    Replacements replacements_;
};

}  // namespace resilience::detail

#endif
