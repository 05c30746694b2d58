// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LEAKY_BUCKET_HPP
#define RESILIENCE_LEAKY_BUCKET_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/bucket_notes.hpp>
#include <resilience/detail/bucket_word.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace resilience {

/// How fast a leaky bucket lets go, and how much may wait in it.
struct LeakyBucketOptions {
    /// Units that leave, evenly, in each @ref period. At least 1; default 100.
    std::uint32_t units = 100;

    /// Time in which @ref units leave. Positive; default 1 s.
    std::chrono::nanoseconds period = std::chrono::seconds{1};

    /// Most units in the bucket: what is leaving and what waits behind it. At least 1;
    /// default 100.
    std::uint32_t capacity = 100;

    friend bool operator==(const LeakyBucketOptions&, const LeakyBucketOptions&) =
        default;
};

namespace detail {

/// What a level by one law is by another if those who were promised a start until the
/// instant `promised` leave until then, and the units behind them stay as many.
inline std::int64_t level_behind(
    std::int64_t promised,
    const BucketLaw& old,
    std::int64_t level,
    const BucketLaw& law,
    std::int64_t from
) noexcept {
    constexpr std::int64_t most = 4 * BucketWord::kUnit;
    const std::int64_t units = old.capacity - level;
    const std::int64_t last = ceil_div(units, old.rate);
    const std::int64_t wait = std::max<std::int64_t>(promised - from, 0);
    const std::int64_t leaving = std::min(wait / old.tick, last);
    const std::int64_t time = leaving == last ? last * old.tick : wait;
    const std::int64_t behind = std::max<std::int64_t>(units - leaving * old.rate, 0);
    const std::int64_t ticks = std::min(ceil_div(time, law.tick), most / law.rate);
    const std::int64_t free =
        carried_level(TokenCarry::additive, old, old.capacity - behind, law);
    return std::max(free - ticks * law.rate, -most);
}

}  // namespace detail

/** Spaces calls out to a steady rate: a queue without a thread.

    Each unit takes `period / units` to leave the bucket, and a call starts when all that
   is before it has left. @ref reserve finds out when that is, as long as there is room
   for the call; @ref try_acquire only goes ahead if it is now. There are no bursts: the
   starts of two calls in turn are as far apart as the units of the first take to leave
   (less the
    @ref resolution). A call for more units than one is a longer one.

    All that changes is one 64-bit word. Arithmetic is in integers and exact.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. A refusal writes nothing.

    @par Example
    @code
    LeakyBucket pace{{.units = 10, .period = std::chrono::seconds{1}, .capacity = 50}};
    if (Reservation r = pace.reserve()) send_at(r.start);
    @endcode
*/
class alignas(64) LeakyBucket {
public:
    using Options = LeakyBucketOptions;

    /** Makes an empty bucket: the first call starts at once.
        @throws std::invalid_argument Names the field of `options` that is out of range.
    */
    explicit LeakyBucket(const LeakyBucketOptions& options = {})
        : word_{make_law(options)} {}

    LeakyBucket(const LeakyBucket&) = delete;
    LeakyBucket& operator=(const LeakyBucket&) = delete;

    /// Puts `n` units into the bucket if it is empty, or none; see @ref RateLimiter.
    /// Never waits.
    Admission try_acquire(std::uint32_t n = 1, TimePoint now = Clock::now()) noexcept;

    /// Tells what @ref try_acquire would answer. Changes nothing.
    Admission peek(std::uint32_t n = 1, TimePoint now = Clock::now()) const noexcept;

    /// Tells how long the bucket takes to empty: `until_full` is that time, and
    /// `available` is 0 meanwhile, then the capacity. Changes nothing.
    LimiterSnapshot snapshot(TimePoint now = Clock::now()) const noexcept;

    /** Puts `n` units into the bucket and tells when they may start.

        @param max_wait The longest wait that is of use.
        @return Refused if there is no room or the wait would be longer: `wait` is then
       the time after which the same reservation would be granted.
    */
    Reservation reserve(
        std::uint32_t n = 1,
        TimePoint now = Clock::now(),
        std::chrono::nanoseconds max_wait = Admission::never
    ) noexcept;

    /** Gives back the room of a granted reservation that was not used. Once only.

        Those behind it have been told when they start and will not start sooner, so only
        the last in the bucket can be taken out. A reservation of long ago changes
       nothing.

        @return Whether it was the last.
    */
    bool refund(const Reservation& reservation) noexcept;

    /** Gives the bucket other options, at once and for all who share it.

        What is in the bucket stays in it: as many units as before, rounded up, that leave
        at the new rate. If they are more than the new capacity, there is no room until
       enough have left. Reservations that were granted before stand as promised, and
       nobody starts before the last of them has left by the rate at which it was promised
       (or hours later, at the highest and oddest rates); but they can no longer be
       refunded.

        @throws std::invalid_argument Names the field of `options` that is out of range;
            nothing has changed then.

        @par Thread safety
        Safe; two changes at once take place in turn. Those who put units in meanwhile do
       so by the old options or by the new ones, and never wait.
    */
    void reconfigure(const LeakyBucketOptions& options, TimePoint now = Clock::now()) {
        word_.replace_law(
            make_law(options),
            detail::nanoseconds_of(now),
            [this](const auto& old, auto level, const auto& law, std::int64_t from) {
                return detail::level_behind(promise_.promised(), old, level, law, from);
            }
        );
    }

    /// The options that the bucket has.
    LeakyBucketOptions options() const noexcept {
        const detail::BucketTerms terms = word_.terms();
        return {.units = terms.tokens, .period = terms.period, .capacity = terms.burst};
    }

    /// The step in which the clock is read; see @ref TokenBucket::resolution.
    std::chrono::nanoseconds resolution() const noexcept {
        return word_.inspect(0, [](const View& view) {
            return std::chrono::nanoseconds{view.law.tick};
        });
    }

private:
    using View = detail::BucketWord::View;

    // The bucket is that of a TokenBucket, upside down: units in it are tokens missing.
    static detail::BucketLaw make_law(const LeakyBucketOptions& options) {
        return detail::make_bucket_law(
            {.tokens = options.units,
             .period = options.period,
             .burst = options.capacity,
             .range = detail::BucketWord::kRange,
             .names = {"LeakyBucketOptions", "units", "capacity"}}
        );
    }

    /// The time until all that is in the bucket has left.
    static std::chrono::nanoseconds drain(const View& view) noexcept {
        const std::int64_t filled = view.law.edge(view.zero, view.now) - view.now;
        return view.law.wait(filled + view.law.capacity, view.phase);
    }

    static Admission judge(const View& view, std::uint32_t n) noexcept {
        if (n > view.law.burst) return Admission::refuse(Admission::never);
        const auto wait = drain(view);
        return wait.count() == 0 ? Admission::admit() : Admission::refuse(wait);
    }

    detail::BucketWord word_;
    detail::LatestPromise promise_;  // the latest start
};

inline Admission LeakyBucket::try_acquire(std::uint32_t n, TimePoint now) noexcept {
    if (n == 0) return Admission::admit();
    return word_.update(detail::raw_nanoseconds_of(now), [n](const View& view) {
        const Admission answer = judge(view, n);
        if (!answer) return detail::Decision<Admission>{answer, 0, false};
        const std::int64_t next = view.law.taken(view.zero, view.now, n);
        return detail::Decision<Admission>{answer, next, true};
    });
}

inline Admission LeakyBucket::peek(std::uint32_t n, TimePoint now) const noexcept {
    if (n == 0) return Admission::admit();
    return word_.inspect(detail::raw_nanoseconds_of(now), [n](const View& view) {
        return judge(view, n);
    });
}

inline LimiterSnapshot LeakyBucket::snapshot(TimePoint now) const noexcept {
    return word_.inspect(detail::raw_nanoseconds_of(now), [](const View& view) {
        const auto wait = drain(view);
        const std::uint32_t limit = view.law.burst;
        return LimiterSnapshot{
            .limit = limit,
            .available = wait.count() == 0 ? limit : 0,
            .until_next = wait,
            .until_full = wait};
    });
}

inline Reservation LeakyBucket::reserve(
    std::uint32_t n, TimePoint now, std::chrono::nanoseconds max_wait
) noexcept {
    using std::chrono::nanoseconds;
    if (n == 0) return {.granted = true, .start = now};
    const std::int64_t at = detail::nanoseconds_of(now);
    max_wait = std::clamp(
        max_wait, nanoseconds{0}, nanoseconds{detail::BucketLaw::kLongestWait}
    );
    Reservation r;
    const auto decide = [&](const View& view) {
        const detail::BucketLaw& law = view.law;
        r = {.wait = Admission::never};
        if (n > law.burst) return detail::Decision<bool>{false, 0, false};
        const std::int64_t next = law.taken(view.zero, view.now, n);
        const nanoseconds start = drain(view);
        const nanoseconds room = law.wait(next - view.now, view.phase);
        r = {
            .granted = room.count() == 0 && start <= max_wait,
            .wait = start,
            .start = now};
        if (!r.granted) {
            r.wait = std::max(room, start - max_wait);
        } else if (start.count() > 0) {
            r.start = TimePoint{
                std::chrono::duration_cast<Clock::duration>(nanoseconds{at} + start)};
        }
        r.receipt = {
            .tokens = n,
            .generation = law.generation,
            .taken_at = at,
            .drained = next - (view.now - law.capacity)};
        return detail::Decision<bool>{true, next, r.granted};
    };
    word_.update(at, decide, [&] {
        if (r.wait.count() > 0) promise_.promise(at + r.wait.count());
    });
    return r;
}

inline bool LeakyBucket::refund(const Reservation& reservation) noexcept {
    const detail::Receipt& receipt = reservation.receipt;
    if (!reservation.granted || receipt.tokens == 0) return false;
    return word_.update(receipt.taken_at, [&receipt](const View& view) {
        // The state that the reservation left; any other one belongs to somebody else.
        const std::int64_t left = view.now - view.law.capacity + receipt.drained;
        const bool same_law = view.law.generation == receipt.generation;
        const bool last = same_law && view.zero == left && !view.beyond;
        return detail::Decision<bool>{last, left - receipt.tokens * view.law.token, last};
    });
}

}  // namespace resilience

#endif
