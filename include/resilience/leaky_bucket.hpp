// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LEAKY_BUCKET_HPP
#define RESILIENCE_LEAKY_BUCKET_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/bucket_law.hpp>
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
        : options_{options}, word_{make_law(options)} {}

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

    /// The options that the bucket was made with.
    LeakyBucketOptions options() const noexcept { return options_; }

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

    std::chrono::nanoseconds drain_at(TimePoint now) const noexcept {
        return word_.inspect(detail::raw_nanoseconds_of(now), [](const View& view) {
            return drain(view);
        });
    }

    LeakyBucketOptions options_;
    detail::BucketWord word_;
};

inline Admission LeakyBucket::try_acquire(std::uint32_t n, TimePoint now) noexcept {
    if (n == 0) return Admission::admit();
    if (n > options_.capacity) return Admission::refuse(Admission::never);
    return word_.update(detail::raw_nanoseconds_of(now), [n](const View& view) {
        const auto wait = drain(view);
        const bool empty = wait.count() == 0;
        const std::int64_t next = view.law.taken(view.zero, view.now, n);
        return detail::Decision<Admission>{{empty, wait}, next, empty};
    });
}

inline Admission LeakyBucket::peek(std::uint32_t n, TimePoint now) const noexcept {
    if (n == 0) return Admission::admit();
    if (n > options_.capacity) return Admission::refuse(Admission::never);
    const auto wait = drain_at(now);
    return wait.count() == 0 ? Admission::admit() : Admission::refuse(wait);
}

inline LimiterSnapshot LeakyBucket::snapshot(TimePoint now) const noexcept {
    const auto wait = drain_at(now);
    return {
        .limit = options_.capacity,
        .available = wait.count() == 0 ? options_.capacity : 0,
        .until_next = wait,
        .until_full = wait};
}

inline Reservation LeakyBucket::reserve(
    std::uint32_t n, TimePoint now, std::chrono::nanoseconds max_wait
) noexcept {
    using std::chrono::nanoseconds;
    if (n == 0) return {.granted = true, .start = now};
    if (n > options_.capacity) return {.wait = Admission::never};
    const std::int64_t at = detail::nanoseconds_of(now);
    max_wait = std::clamp(
        max_wait, nanoseconds{0}, nanoseconds{detail::BucketLaw::kLongestWait}
    );
    return word_.update(at, [&](const View& view) {
        const detail::SharedBucketLaw& law = view.law;
        const std::int64_t next = law.taken(view.zero, view.now, n);
        const nanoseconds start = drain(view);
        const nanoseconds room = law.wait(next - view.now, view.phase);
        Reservation r{
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
            .tokens = n, .taken_at = at, .drained = next - (view.now - law.capacity)};
        return detail::Decision<Reservation>{r, next, r.granted};
    });
}

inline bool LeakyBucket::refund(const Reservation& reservation) noexcept {
    const detail::Receipt& receipt = reservation.receipt;
    if (!reservation.granted || receipt.tokens == 0) return false;
    return word_.update(receipt.taken_at, [&receipt](const View& view) {
        // The state that the reservation left; any other one belongs to somebody else.
        const std::int64_t left = view.now - view.law.capacity + receipt.drained;
        const bool last = view.zero == left && !view.beyond;
        return detail::Decision<bool>{last, left - receipt.tokens * view.law.token, last};
    });
}

}  // namespace resilience

#endif
