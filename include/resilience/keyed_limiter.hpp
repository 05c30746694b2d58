// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KEYED_LIMITER_HPP
#define RESILIENCE_KEYED_LIMITER_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/limit_key.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/key_hash.hpp>
#include <resilience/detail/keyed_law.hpp>
#include <resilience/detail/live_settings.hpp>
#include <resilience/detail/return_notes.hpp>
#include <resilience/detail/slot_table.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace resilience {

/// Settings of a @ref BasicKeyedLimiter.
template <class Limit>
struct BasicKeyedLimiterOptions {
    /// The limit of each key. `TokenBucketOptions::max_debt` must be 0.
    Limit limit{};

    /// Keys of which the limiters may be other than new at once; each costs 24 bytes,
    /// taken at construction. Any number of keys may come and go. Too few, and keys share
    /// the strict limiter of those without room. At least 1; default 65536.
    std::size_t keys = 65536;

    /// Secret of the hash, so that nobody can choose keys that collide. Default: random.
    std::optional<std::array<std::uint64_t, 2>> hash_key{};

    /// Where the memory comes from; it must outlive the limiter. Default: `new`. Millions
    /// of keys are found faster in memory of huge pages.
    std::pmr::memory_resource* memory = std::pmr::new_delete_resource();
};

/// Settings of a @ref KeyedLimiter.
using KeyedLimiterOptions = BasicKeyedLimiterOptions<TokenBucketOptions>;

/// One part of a request to several limits at once.
struct KeyedRequest {
    LimitKey key;
    std::uint32_t n = 1;
};

/// How full a @ref KeyedLimiter is.
struct KeyedLimiterStats {
    static constexpr const char* kind = "keyed_limiter";

    /// Slots there are; somewhat more than `KeyedLimiterOptions::keys`.
    std::size_t slots = 0;

    /// Keys whose limiters are not as new; estimated from a sample if there are many
    /// slots.
    std::size_t keys = 0;

    /// Calls that were decided by a shared limiter because there was no slot for their
    /// key.
    std::uint64_t overflows = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const KeyedLimiterStats& s, Visit&& visit) {
    visit("slots", s.slots);
    visit("keys", s.keys);
    visit("overflows_total", s.overflows);
}

/** Limits the rate of each of many keys: one limiter per key, in a table of fixed size.

    A key costs nothing until it is used and nothing once its limiter is again as if it
   had never been used (a bucket is full, a window is over): then its slot may be given to
    another key, which changes no decision, because an unknown key has a new limiter. Any
    other is never evicted, so nobody gets a fresh burst by crowding others out. Keys that
    find no slot share one limiter per neighbourhood, with the same limit for all of them
    together: stricter, never looser.

    Decisions are those of the `Limiter`, by the same arithmetic. Keys are hashed to 64
   bits with a secret; two texts with one hash, of which there is a chance of 4e-6 in 12
   million keys, share a limiter. Two numbers never do.

    The words of buckets are not moved from base to base as that of TokenBucket is.
   Instead the tick is coarse enough for the clock to run for 100 years from construction:
   it is 1 ns for one token a day as for 1e9 a second, and 0.8 ms for an odd rate like
   999,983 a second. A rate that would need more than 10 ms is refused at construction.
   See @ref resolution.

    @tparam Limiter @ref TokenBucket, @ref SlidingWindow, @ref FixedWindow or @ref
        LeakyBucket.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. Memory is allocated at
    construction alone.

    @par Example
    @code
    KeyedLimiter limiter{{.limit = {.tokens = 10, .burst = 20}, .keys = 1'000'000}};
    if (Admission a = limiter.try_acquire(user); !a) return busy(a.retry_after);
    @endcode
*/
template <class Limiter>
class BasicKeyedLimiter {
public:
    using Options = BasicKeyedLimiterOptions<typename Limiter::Options>;

    /// Requests that @ref try_acquire_all takes.
    static constexpr std::size_t kMostRequests = 1024;

    /** Makes an empty table: every key's limiter is new.
        @param now The current time; the table is exact for 100 years from it.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit BasicKeyedLimiter(const Options& options = {}, TimePoint now = Clock::now());

    BasicKeyedLimiter(const BasicKeyedLimiter&) = delete;
    BasicKeyedLimiter& operator=(const BasicKeyedLimiter&) = delete;

    /// Takes `n` of `key`, or none, like the limiter's own `try_acquire`. Never waits.
    Admission try_acquire(
        const LimitKey& key, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /** Decides for each request in turn, as @ref try_acquire does, and faster: the memory
        for the later ones is on its way while the earlier ones are decided.

        @param answers One for each request. Of the longer of the two spans, the rest is
            left alone.
        @return How many were admitted.
    */
    std::size_t try_acquire_each(
        std::span<const KeyedRequest> requests,
        std::span<Admission> answers,
        TimePoint now = Clock::now()
    ) noexcept;

    /** Takes what every request wants, or nothing at all.

        The keys are asked in turn; when one refuses, what was taken before is given back.
        In between, others may find it missing.

        @param requests At most @ref kMostRequests; more are refused for ever.
        @return When refused, `retry_after` is the longest of the requests' own waits.
    */
    Admission try_acquire_all(
        std::span<const KeyedRequest> requests, TimePoint now = Clock::now()
    ) noexcept;

    /// Tells what @ref try_acquire would answer. Takes nothing.
    Admission peek(
        const LimitKey& key, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /// Tells what there is for `key`. Takes nothing.
    LimiterSnapshot snapshot(const LimitKey& key, TimePoint now = Clock::now()) noexcept;

    /// Takes `n` of `key`, or none, such that they can be refunded. Never waits.
    Reservation reserve(
        const LimitKey& key, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /// Gives back what was reserved but not used, like the limiter's own `refund`.
    bool refund(
        const LimitKey& key, const Reservation& reservation, TimePoint now = Clock::now()
    ) noexcept;

    /// Takes `n` tokens of `key` even if there are not as many, like @ref
    /// TokenBucket::charge.
    std::chrono::nanoseconds charge(
        const LimitKey& key, std::uint32_t n, TimePoint now = Clock::now()
    ) noexcept requires std::same_as<Limiter, TokenBucket>;

    /// Makes the limiter of `key` new; what was reserved before can no longer be
    /// refunded. False if the key has no slot and finds none.
    bool reset(const LimitKey& key, TimePoint now = Clock::now()) noexcept;

    /** Gives all keys another limit, at once.

        Each key keeps what it has, and its limiter goes on at the new rate: a bucket
       keeps its tokens, at most the new burst, and one that has rested for long enough
       has what the new burst allows; a leaky bucket keeps what is in it. A step of the
       clock that has begun is lost. What was reserved before can no longer be refunded,
       and a group that is refused meanwhile may lose what it had taken. Windows keep what
       was taken in them, and take it back.

        Only the limit can be changed, and not to every one: a token costs as many of the
        table's units as before. A rate that would need steps of more than 10 ms, or by
       which the units would not last for ten years from `now` (ten times the
        rate of construction goes if that is a usual one), is refused, and so is a burst
       beyond them, or another length or offset of windows.

        What is replaced, less than 400 bytes, is kept until the limiter is destroyed,
       since calls may be reading it, so it is refused after a thousand times. Does
       nothing if the options are those in force.

        @throws std::invalid_argument Names the field of `options` that is out of range,
       or that differs and cannot be changed: `keys`, `hash_key`, `memory`,
            `limit.window`, `limit.offset`. Nothing has changed then.
        @throws std::length_error The options were replaced 1,000 times; nothing has
            changed then.
        @throws std::bad_alloc

        @par Thread safety
        Safe; two changes at once take place in turn. Those who take meanwhile do so by
       the old options or by the new ones, and never wait.
    */
    void reconfigure(const Options& options, TimePoint now = Clock::now());

    /// The options that the limiter has.
    Options options() const noexcept;

    /// Looks at up to 8192 slots to tell how full the table is.
    KeyedLimiterStats stats(TimePoint now = Clock::now()) const noexcept;

    /// The step in which the clock is read; see @ref TokenBucket::resolution.
    std::chrono::nanoseconds resolution(
    ) const noexcept requires std::same_as<Limiter, TokenBucket> {
        return std::chrono::nanoseconds{settings_.get().law.bucket().tick};
    }

private:
    using Law =
        decltype(detail::keyed_law(std::declval<typename Limiter::Options>(), TimePoint{})
        );
    using Moment = typename Law::Moment;
    using Table = detail::BasicSlotTable<Law>;
    static constexpr std::size_t kNotes = 1024;
    static constexpr std::size_t kAhead =
        8;  // as many misses as a processor has room for

    static std::size_t make_groups(const Options& options);
    static detail::HashKey make_secret(const Options& options);

    struct Settings {
        typename Limiter::Options limit;
        Law law;

        /// What was in force before is not put in force again: it tells another time.
        friend bool operator==(const Settings& a, const Settings& b) noexcept {
            return a.limit == b.limit && a.law.same_as(b.law);
        }
    };

    /// An instant, by the law that is in force.
    struct Instant {
        const Law& law;
        Moment moment;

        std::int64_t idle() const noexcept { return law.idle(moment); }
    };

    Instant instant(TimePoint now) const noexcept {
        const Law& law = settings_.get().law;
        return {law, law.moment(detail::nanoseconds_of(now))};
    }
    template <class Decide>
    void update(std::uint64_t hash, const Instant& now, Decide decide) noexcept;
    Admission take(std::uint64_t hash, std::uint32_t n, const Instant& now) noexcept;
    Admission take_all(std::span<const KeyedRequest> requests, TimePoint now) noexcept;
    detail::ReturnNotes& notes(std::uint64_t hash) noexcept {
        return notes_[table_.first_group(hash) % kNotes];
    }

    detail::LiveSettings<Settings> settings_;
    const Options made_with_;
    detail::KeyHash hash_;
    Table table_;
    std::array<detail::ReturnNotes, kNotes> notes_{};  // by group
    alignas(64) std::atomic<std::uint64_t> overflows_{0};
};

/// Limits the rate of each of many keys by a token bucket.
using KeyedLimiter = BasicKeyedLimiter<TokenBucket>;

}  // namespace resilience

#include <resilience/detail/keyed_limiter_impl.hpp>

#endif
