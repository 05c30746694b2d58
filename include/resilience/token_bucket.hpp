// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TOKEN_BUCKET_HPP
#define RESILIENCE_TOKEN_BUCKET_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/bucket_notes.hpp>
#include <resilience/detail/bucket_word.hpp>
#include <resilience/detail/sync.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace resilience {

/** How fast a bucket refills, and how much it holds.

    The rate is the exact fraction `tokens / period`: no rounding to a whole number of
    nanoseconds per token, and no drift.
*/
struct TokenBucketOptions {
    /// Tokens that arrive, evenly, in each @ref period. At least 1; default 100.
    std::uint32_t tokens = 100;

    /// Time in which @ref tokens arrive. Positive; default 1 s.
    std::chrono::nanoseconds period = std::chrono::seconds{1};

    /// Most tokens that a rested bucket gives at once. At least 1; default 100.
    std::uint32_t burst = 100;

    /// Most tokens that @ref TokenBucket::reserve may hand out before they have arrived.
    /// Default 0: reserve never makes anyone wait.
    std::uint32_t max_debt = 0;

    friend bool operator==(const TokenBucketOptions&, const TokenBucketOptions&) =
        default;
};

/// Tokens promised for an instant, or the refusal to promise them.
struct Reservation {
    /// Whether the tokens are the caller's.
    bool granted = false;

    /// When granted, time from the decision until the tokens may be used. Else the time
    /// after which the same reservation would be granted, or @ref Admission::never.
    std::chrono::nanoseconds wait{0};

    /// When granted, the instant from which the tokens may be used.
    TimePoint start{};

    /// What a refund needs to know.
    detail::Receipt receipt{};

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return granted; }
};

/// What becomes of a bucket's tokens when it is given other options. None of them gives
/// anyone more than the old bucket or the new one would have.
enum class TokenCarry {
    /// As many tokens as before, at most the new burst.
    as_is,
    /// As full as before: the same share of the burst.
    proportional,
    /// As many tokens missing as before, which may be debt.
    additive,
    /// Full, whatever it was.
    reset
};

namespace detail {

/// What a level by one law is by another, if tokens are carried over so. Rounded down.
constexpr std::int64_t carried_level(
    TokenCarry carry, const BucketLaw& old, std::int64_t level, const BucketLaw& law
) noexcept {
    const auto owed = [&](std::int64_t units) {
        constexpr std::int64_t most = std::int64_t{1} << 62;
        const std::int64_t whole =
            std::min(multiply_divide(units, law.token, old.token), most);
        const bool exact = multiply_divide(whole, old.token, law.token) >= units;
        return exact ? whole : whole + 1;
    };
    switch (carry) {
        case TokenCarry::as_is:
            if (level < 0) return -owed(-level);
            return std::min(multiply_divide(level, law.token, old.token), law.capacity);
        case TokenCarry::proportional:
            if (level < 0) return -owed(-level);
            return multiply_divide(level, law.capacity, old.capacity);
        case TokenCarry::additive:
            return law.capacity - owed(old.capacity - level);
        case TokenCarry::reset:
            break;
    }
    return law.capacity;
}

}  // namespace detail

/** Limits a rate while letting short bursts through.

    A full bucket holds `burst` tokens; a call takes some; `tokens` of them arrive in each
    `period`. Over any stretch of time `w`, no more than `burst + w * tokens / period` are
    admitted. All that changes is one 64-bit word: no timer, no thread, no lock.
   Arithmetic is in integers and exact.

    Time is an argument, so a test steps through an hour without sleeping. An instant
   older than one already seen is safe: the bucket only looks emptier.

    A new bucket is full.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free but for refunds, which take
    turns. A refusal writes nothing.

    @par Example
    @code
    TokenBucket bucket{{.tokens = 10, .period = std::chrono::seconds{1}, .burst = 20}};
    if (Admission a = bucket.try_acquire(); !a) return busy(a.retry_after);
    @endcode
*/
class alignas(64) TokenBucket {
public:
    using Options = TokenBucketOptions;

    /** Makes a full bucket.
        @throws std::invalid_argument Names the field of `options` that is out of range.
       Rates from one token a day to 1e9 a second go with any burst up to 2^31.
    */
    explicit TokenBucket(const TokenBucketOptions& options = {});

    TokenBucket(const TokenBucket&) = delete;
    TokenBucket& operator=(const TokenBucket&) = delete;

    /** Takes `n` tokens, or none. Never waits, never throws.

        @param n Tokens wanted. Zero is always admitted.
        @param now The current time.
        @return When refused, `retry_after` is the least time after which this call would
            succeed if nobody else took tokens; it is @ref Admission::never if `n` is more
            than the burst.
    */
    Admission try_acquire(std::uint32_t n = 1, TimePoint now = Clock::now()) noexcept;

    /// Tells what @ref try_acquire would answer. Takes nothing.
    Admission peek(std::uint32_t n = 1, TimePoint now = Clock::now()) const noexcept;

    /// Takes as many tokens as there are, at most `n`, and returns how many. Never waits.
    std::uint32_t acquire_up_to(std::uint32_t n, TimePoint now = Clock::now()) noexcept;

    /// Tells what is in the bucket. Takes nothing.
    LimiterSnapshot snapshot(TimePoint now = Clock::now()) const noexcept;

    /** Takes `n` tokens now, or promises them for a moment not far away.

        The caller waits, then acts; later callers queue behind it, in the order in which
       they reserved.

        @param max_wait The longest wait that is of use.
        @return Refused if the wait would be longer, if the debt would exceed
            `TokenBucketOptions::max_debt`, or if `n` is more than the burst or would take
       more than 146 years to arrive. A refusal takes nothing.
    */
    Reservation reserve(
        std::uint32_t n = 1,
        TimePoint now = Clock::now(),
        std::chrono::nanoseconds max_wait = Admission::never
    ) noexcept;

    /** Takes `n` tokens even if there are not as many: for costs known only afterwards.

        @param n May exceed the burst, and the debt that it leaves may exceed
            `TokenBucketOptions::max_debt`. Debt that would take a century to repay (hours
       at the highest and oddest rates) does not grow further.
        @return Time until the debt is repaid; zero without debt.
    */
    std::chrono::nanoseconds charge(
        std::uint32_t n, TimePoint now = Clock::now()
    ) noexcept;

    /** Gives back the tokens of a granted reservation that was not used. Once only.

        Tokens that would not be in the bucket even if they had never been taken, because
       it was full meanwhile or will be before reservations that queue behind this one
       start, are forfeited: a cancellation never lets more through than no reservation at
       all. Once those behind it are cancelled too, before they start, the last of them
       returns what the others did not get back: together they leave no trace. Of very
       many that were cancelled one by one between others who wait, some may be forfeited.

        @param now The current time; unlike elsewhere, an instant older than one that
       another thread has used may return what arrived in between.
        @return Whether all of its own tokens came back by now.

        @par Thread safety
        Safe; refunds at once take place in turn. Those who take tokens never wait.
    */
    bool refund(const Reservation& reservation, TimePoint now = Clock::now()) noexcept;

    /** Gives the bucket other options, at once and for all who share it.

        Debt remains debt of as many tokens, unless everything is forgotten by
        `TokenCarry::reset`. Fractions of a token are rounded down. Reservations that were
        granted before stand as promised, but can no longer be refunded.

        @throws std::invalid_argument Names the field of `options` that is out of range;
            nothing has changed then.

        @par Thread safety
        Safe; two changes at once take place in turn. Those who take tokens meanwhile do
       so by the old options or by the new ones, and never wait.
    */
    void reconfigure(
        const TokenBucketOptions& options,
        TokenCarry carry = TokenCarry::as_is,
        TimePoint now = Clock::now()
    );

    /// The options that the bucket has.
    TokenBucketOptions options() const noexcept;

    /// The step in which the bucket reads the clock: 1 ns, unless odd rates or large
    /// bursts need a coarser one. What arrives is delayed by less than this, and never
    /// lost.
    std::chrono::nanoseconds resolution() const noexcept;

private:
    using View = detail::BucketWord::View;

    static detail::BucketLaw make_law(const TokenBucketOptions& options);

    detail::BucketWord word_;
    detail::BucketNotes notes_;
};

inline detail::BucketLaw TokenBucket::make_law(const TokenBucketOptions& options) {
    return detail::make_bucket_law(
        {.tokens = options.tokens,
         .period = options.period,
         .burst = options.burst,
         .max_debt = options.max_debt,
         .range = detail::BucketWord::kRange}
    );
}

inline TokenBucket::TokenBucket(const TokenBucketOptions& options)
    : word_{make_law(options)} {}

inline Admission TokenBucket::try_acquire(std::uint32_t n, TimePoint now) noexcept {
    if (n == 0) return Admission::admit();
    return word_.take(n, detail::raw_nanoseconds_of(now));
}

inline Admission TokenBucket::peek(std::uint32_t n, TimePoint now) const noexcept {
    if (n == 0) return Admission::admit();
    return word_.inspect(detail::raw_nanoseconds_of(now), [n](const View& view) {
        if (n > view.law.burst) return Admission::refuse(Admission::never);
        return view.law.judge(view.law.taken(view.zero, view.now, n), view.moment());
    });
}

inline std::uint32_t TokenBucket::acquire_up_to(std::uint32_t n, TimePoint now) noexcept {
    return word_.update(detail::raw_nanoseconds_of(now), [n](const View& view) {
        const std::uint32_t got = std::min(n, view.law.available(view.zero, view.now));
        const std::int64_t next = view.law.taken(view.zero, view.now, got);
        return detail::Decision<std::uint32_t>{got, next, got > 0};
    });
}

inline LimiterSnapshot TokenBucket::snapshot(TimePoint now) const noexcept {
    return word_.inspect(detail::raw_nanoseconds_of(now), [](const View& view) {
        return view.law.snapshot(view.zero, view.moment());
    });
}

inline Reservation TokenBucket::reserve(
    std::uint32_t n, TimePoint now, std::chrono::nanoseconds max_wait
) noexcept {
    using std::chrono::nanoseconds;
    if (n == 0) return {.granted = true, .start = now};
    const std::int64_t at = detail::nanoseconds_of(now);
    constexpr std::int64_t longest = detail::BucketLaw::kLongestWait;
    max_wait = std::clamp(max_wait, nanoseconds{0}, nanoseconds{longest});
    Reservation r;
    const auto decide = [&](const View& view) {
        const detail::BucketLaw& law = view.law;
        const detail::Decision<bool> refused{false, 0, false};
        r = {.wait = Admission::never, .start = now};
        if (n > law.burst) return refused;
        std::int64_t next = law.taken(view.zero, view.now, n);
        const nanoseconds wait = law.wait(next - view.now, view.phase);
        if (wait.count() >= longest) return refused;
        const std::int64_t excess = next - view.now - law.max_debt * law.token;
        if (excess > 0 || wait > max_wait) {
            r.wait = std::max(law.wait(excess, view.phase), wait - max_wait);
            return refused;
        }
        r.granted = true;
        r.wait = wait;
        if (next > view.now) {
            // The tokens go at a tick, perhaps a little after they are there; a bucket
            // that is full by then gains nothing from the little.
            const std::int64_t ticks = detail::ceil_div(next - view.now, law.rate);
            const std::int64_t start = view.now + ticks * law.rate;
            next = std::max(next, start + n * law.token - law.capacity);
            r.start = TimePoint{
                std::chrono::duration_cast<Clock::duration>(nanoseconds{at} + wait)};
        }
        r.receipt = {
            .tokens = n,
            .generation = law.generation,
            .returned = notes_.returned(),
            .taken_at = at,
            .drained = next - (view.now - law.capacity),
            .units = next - law.edge(view.zero, view.now),
            .end = (detail::Wrapping{view.place_of(next)} + notes_.moved_back()).value()};
        return detail::Decision<bool>{true, next, true};
    };
    word_.update(at, decide, [&] {
        if (r.wait.count() > 0) notes_.promise(at + r.wait.count());
    });
    return r;
}

inline std::chrono::nanoseconds TokenBucket::charge(
    std::uint32_t n, TimePoint now
) noexcept {
    return word_.update(detail::raw_nanoseconds_of(now), [n](const View& view) {
        const std::int64_t next =
            view.law.charged(view.zero, view.now, n, view.highest());
        const auto repaid = view.law.wait(next - view.now, view.phase);
        return detail::Decision<std::chrono::nanoseconds>{repaid, next, n > 0};
    });
}

inline bool TokenBucket::refund(const Reservation& reservation, TimePoint now) noexcept {
    if (!reservation.granted) return false;
    const detail::Receipt& receipt = reservation.receipt;
    if (receipt.tokens == 0) return true;
    const std::int64_t at = detail::nanoseconds_of(now);
    detail::BucketNotes::Return mine{
        notes_, receipt, detail::nanoseconds_of(reservation.start), at};
    bool same_law = false;
    std::int64_t back = 0;
    std::uint64_t tokens = 0;
    const bool whole = word_.update(at, [&](const View& view) {
        const detail::BucketLaw& law = view.law;
        same_law = receipt.generation == law.generation;
        if (!same_law) return detail::Decision<bool>{false, 0, false};
        back = mine.due(view);
        tokens = law.tokens_of(back);
        const std::int64_t next = std::max(view.zero - back, view.lowest());
        return detail::Decision<bool>{back >= receipt.tokens * law.token, next, back > 0};
    });
    if (same_law) mine.finish(back, tokens);
    return whole;
}

inline void TokenBucket::reconfigure(
    const TokenBucketOptions& options, TokenCarry carry, TimePoint now
) {
    word_.replace_law(
        make_law(options),
        detail::nanoseconds_of(now),
        [carry](const auto& old, std::int64_t level, const auto& law, std::int64_t) {
            return detail::carried_level(carry, old, level, law);
        }
    );
}

inline TokenBucketOptions TokenBucket::options() const noexcept {
    const detail::BucketTerms terms = word_.terms();
    return {
        .tokens = terms.tokens,
        .period = terms.period,
        .burst = terms.burst,
        .max_debt = terms.max_debt};
}

inline std::chrono::nanoseconds TokenBucket::resolution() const noexcept {
    return word_.inspect(0, [](const View& view) {
        return std::chrono::nanoseconds{view.law.tick};
    });
}

}  // namespace resilience

#endif
