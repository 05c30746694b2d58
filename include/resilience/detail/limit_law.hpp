// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LIMIT_LAW_HPP
#define RESILIENCE_DETAIL_LIMIT_LAW_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/bucket_law.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>

namespace resilience::detail {

/// What a law says about taking.
struct Taking {
    std::int64_t next;  // the word afterwards; means something only when admitted
    Admission answer;
};

/** Decides for a limiter whose state is one word, in 0 to 2^63; 0 is the state of one
   that was never used. Pure: the same word, time and law make the same decision.
*/
template <class L>
concept LimitLaw = requires(
    const L& law, std::int64_t word, std::uint32_t n, typename L::Moment moment
) {
    { law.limit() } -> std::same_as<std::uint32_t>;
    { law.moment(word) } -> std::same_as<typename L::Moment>;
    { law.idle(moment) } -> std::same_as<std::int64_t>;
    { law.take(word, n, moment) } -> std::same_as<Taking>;
    { law.undo(word, n, moment) } -> std::same_as<std::int64_t>;
    { law.join(word, word) } -> std::same_as<std::int64_t>;
    { law.snapshot(word, moment) } -> std::same_as<LimiterSnapshot>;
};

/// A word and the law that decides for it. Lock-free: whoever is overtaken decides again,
/// as often as it takes, and somebody has got on each time.
template <LimitLaw Law>
class LawfulWord {
public:
    explicit LawfulWord(const Law& law) noexcept : law_{law} {}

    const Law& law() const noexcept { return law_; }

    Admission try_acquire(std::uint32_t n, TimePoint now) noexcept {
        if (n == 0) return Admission::admit();
        if (n > law_.limit()) return Admission::refuse(Admission::never);
        const auto moment = law_.moment(nanoseconds_of(now));
        Taking taking{};
        update([&](std::int64_t word, std::int64_t& next) {
            taking = law_.take(word, n, moment);
            next = taking.next;
            return taking.answer.admitted;
        });
        return taking.answer;
    }

    Admission peek(std::uint32_t n, TimePoint now) const noexcept {
        if (n == 0) return Admission::admit();
        if (n > law_.limit()) return Admission::refuse(Admission::never);
        return law_.take(word(), n, law_.moment(nanoseconds_of(now))).answer;
    }

    LimiterSnapshot snapshot(TimePoint now) const noexcept {
        return law_.snapshot(word(), law_.moment(nanoseconds_of(now)));
    }

    bool refund(std::uint32_t n, TimePoint taken_at) noexcept {
        const auto taken = law_.moment(nanoseconds_of(taken_at));
        bool back = false;
        update([&](std::int64_t word, std::int64_t& next) {
            next = law_.undo(word, n, taken);
            return back = next != word;
        });
        return back;
    }

    /// Calls `decide(word, next)` until the `next` that it sets is stored or it returns
    /// false.
    template <class Decide>
    void update(Decide decide) noexcept {
        std::int64_t word = this->word();
        std::int64_t next = word;
        while (decide(word, next) &&
               !word_.compare_exchange_weak(word, next, std::memory_order_relaxed)) {
        }
    }

private:
    std::int64_t word() const noexcept { return word_.load(std::memory_order_relaxed); }

    std::atomic<std::int64_t> word_{0};
    Law law_;
};

}  // namespace resilience::detail

#endif
