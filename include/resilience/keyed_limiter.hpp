// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KEYED_LIMITER_HPP
#define RESILIENCE_KEYED_LIMITER_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/limit_key.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/sip_hash.hpp>
#include <resilience/detail/slot_table.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>

namespace resilience {

/// Settings of a @ref KeyedLimiter.
struct KeyedLimiterOptions {
    /// The limit of each key. `max_debt` must be 0.
    TokenBucketOptions limit{};

    /// Keys whose buckets may be other than full at once; each costs 24 bytes, taken at
    /// construction. Any number of keys may come and go. Too few, and keys share the
    /// strict bucket of those without room. At least 1; default 65536.
    std::size_t keys = 65536;

    /// Secret of the hash, so that nobody can choose keys that collide. Default: random.
    std::optional<std::array<std::uint64_t, 2>> hash_key{};
};

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

    /// Keys whose buckets are not full; estimated from a sample if there are many slots.
    std::size_t keys = 0;

    /// Calls that were decided by a shared bucket because there was no slot for their
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

/** Limits the rate of each of many keys: one @ref TokenBucket per key, in a table of
   fixed size.

    A key costs nothing until it is used and nothing once its bucket is full again: then
   its slot may be given to another key, which changes no decision, because a full bucket
   is what an unknown key has. A bucket that is not full is never evicted, so nobody gets
   a fresh burst by crowding others out. Keys that find no slot share one bucket per
   neighbourhood, with the same limit for all of them together: stricter, never looser.

    Decisions are those of TokenBucket, by the same arithmetic. Keys are hashed to 64 bits
   with a secret; two keys with one hash, of which there is a chance of 4e-6 in 12 million
   keys, share a bucket.

    Buckets are not moved from base to base as that of TokenBucket is. Instead the tick is
   coarse enough for the clock to run for 100 years from construction: it is 1 ns for one
   token a day as for 1e9 a second, and 0.8 ms for an odd rate like 999,983 a second. A
   rate that would need more than 10 ms is refused at construction. See @ref resolution.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. Memory is allocated at
   construction alone.
*/
class KeyedLimiter {
public:
    /** Makes an empty table: every key's bucket is full.
        @param now The current time; the table is exact for 100 years from it.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit KeyedLimiter(
        const KeyedLimiterOptions& options = {}, TimePoint now = Clock::now()
    );

    KeyedLimiter(const KeyedLimiter&) = delete;
    KeyedLimiter& operator=(const KeyedLimiter&) = delete;

    /// Takes `n` tokens of `key`, or none, like @ref TokenBucket::try_acquire. Never
    /// waits.
    Admission try_acquire(
        const LimitKey& key, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /** Takes the tokens of every request, or of none.

        The keys are asked in turn; when one refuses, what was taken before is given back.
       In between, others may find those tokens missing.

        @return When refused, `retry_after` is the longest of the requests' own waits.
    */
    Admission try_acquire_all(
        std::span<const KeyedRequest> requests, TimePoint now = Clock::now()
    ) noexcept;

    /// Tells what @ref try_acquire would answer. Takes nothing.
    Admission check(
        const LimitKey& key, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /// Tells what is in the bucket of `key`. Takes nothing.
    LimiterSnapshot snapshot(const LimitKey& key, TimePoint now = Clock::now()) noexcept;

    /// Takes `n` tokens of `key`, or none, such that they can be refunded. Never waits.
    Reservation reserve(
        const LimitKey& key, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /// Gives back what was reserved but not used, like @ref TokenBucket::refund.
    bool refund(
        const LimitKey& key, const Reservation& reservation, TimePoint now = Clock::now()
    ) noexcept;

    /// Takes `n` tokens of `key` even if there are not as many, like @ref
    /// TokenBucket::charge.
    std::chrono::nanoseconds charge(
        const LimitKey& key, std::uint32_t n, TimePoint now = Clock::now()
    ) noexcept;

    /// Makes the bucket of `key` full; what was reserved before can no longer be
    /// refunded. False if the key has no slot and finds none.
    bool reset(const LimitKey& key, TimePoint now = Clock::now()) noexcept;

    /// Looks at up to 8192 slots to tell how full the table is.
    KeyedLimiterStats stats(TimePoint now = Clock::now()) const noexcept;

    /// The step in which the clock is read; see @ref TokenBucket::resolution.
    std::chrono::nanoseconds resolution() const noexcept {
        return std::chrono::nanoseconds{law_.tick};
    }

private:
    // A word is a zero plus kOrigin: positive, as the table wants it, however early the
    // clock.
    static constexpr std::int64_t kUnit = std::int64_t{1} << 60;
    static constexpr std::int64_t kOrigin = kUnit + kUnit / 2;
    static constexpr std::int64_t kCeiling = 7 * kUnit;
    static constexpr detail::BucketRange kRange{
        .units = 4 * kUnit + kUnit / 2,
        .span = std::chrono::hours{24 * 366 * 100} * 9 / 8};
    static constexpr std::size_t kCounters = 1024;

    static detail::BucketLaw make_law(const KeyedLimiterOptions& options);
    static std::size_t make_groups(const KeyedLimiterOptions& options);
    static detail::HashKey make_secret(const KeyedLimiterOptions& options);

    detail::Moment moment(TimePoint now) const noexcept;
    template <class Decide>
    void update(std::uint64_t hash, std::int64_t now, Decide decide) noexcept;
    Admission take(std::span<const KeyedRequest> requests, TimePoint now) noexcept;
    std::atomic<std::uint64_t>& returned(std::uint64_t hash) noexcept {
        return returned_[table_.first_group(hash) % kCounters];
    }

    detail::BucketLaw law_;
    detail::HashKey secret_;
    std::int64_t base_;  // nanoseconds
    detail::SlotTable table_;
    std::array<std::atomic<std::uint64_t>, kCounters> returned_{};  // tokens, by group
    alignas(64) std::atomic<std::uint64_t> overflows_{0};
};

inline detail::BucketLaw KeyedLimiter::make_law(const KeyedLimiterOptions& options) {
    const TokenBucketOptions& limit = options.limit;
    if (limit.max_debt != 0) {
        throw std::invalid_argument{"KeyedLimiterOptions::limit.max_debt must be 0"};
    }
    return detail::make_bucket_law(
        {.tokens = limit.tokens,
         .period = limit.period,
         .burst = limit.burst,
         .range = kRange}
    );
}

inline std::size_t KeyedLimiter::make_groups(const KeyedLimiterOptions& options) {
    if (options.keys < 1 || options.keys > std::size_t{1} << 34) {
        throw std::invalid_argument{"KeyedLimiterOptions::keys must be in 1 to 2^34"};
    }
    // A slot and its part of the shared bucket are 17 bytes, a key may have 24.
    const std::size_t slots = options.keys * 24 / 17 + 1;
    return std::max<std::size_t>(2, (slots - 1) / detail::SlotTable::kSlotsPerGroup + 1);
}

inline detail::HashKey KeyedLimiter::make_secret(const KeyedLimiterOptions& options) {
    if (options.hash_key) return *options.hash_key;
    std::random_device device;
    std::uniform_int_distribution<std::uint64_t> any;
    return {any(device), any(device)};
}

inline KeyedLimiter::KeyedLimiter(const KeyedLimiterOptions& options, TimePoint now)
    : law_{make_law(options)},
      secret_{make_secret(options)},
      base_{
          (law_.tick_of(std::max(detail::nanoseconds_of(now), -detail::kTimeLimit / 2)) -
           law_.span / law_.tick / 9) *
          law_.tick},
      table_{make_groups(options)} {}

inline detail::Moment KeyedLimiter::moment(TimePoint now) const noexcept {
    const std::int64_t since = detail::nanoseconds_of(now) - base_;
    const std::int64_t kept = std::clamp<std::int64_t>(since, 0, law_.span);
    detail::Moment moment = law_.moment(kept);
    moment.units += kOrigin;
    // A clock far behind has to catch up first.
    if (since < kept) moment.phase -= std::min(kept - since, detail::kTimeLimit / 2);
    return moment;
}

template <class Decide>
void KeyedLimiter::update(std::uint64_t hash, std::int64_t now, Decide decide) noexcept {
    if (!table_.update(hash, now - law_.capacity, decide)) {
        overflows_.fetch_add(1, std::memory_order_relaxed);
    }
}

inline Admission KeyedLimiter::try_acquire(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    if (n == 0) return Admission::admit();
    if (n > law_.burst) return Admission::refuse(Admission::never);
    const detail::Moment moment = this->moment(now);
    Admission answer;
    update(key.hash(secret_), moment.units, [&](std::int64_t zero, std::int64_t& next) {
        next = law_.taken(zero, moment.units, n);
        answer = law_.judge(next, moment);
        return answer.admitted;
    });
    return answer;
}

inline Admission KeyedLimiter::check(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    if (n == 0) return Admission::admit();
    if (n > law_.burst) return Admission::refuse(Admission::never);
    const detail::Moment moment = this->moment(now);
    return law_.judge(
        law_.taken(table_.zero_of(key.hash(secret_)), moment.units, n), moment
    );
}

inline LimiterSnapshot KeyedLimiter::snapshot(
    const LimitKey& key, TimePoint now
) noexcept {
    return law_.snapshot(table_.zero_of(key.hash(secret_)), moment(now));
}

inline Reservation KeyedLimiter::reserve(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    Reservation r{.granted = true, .start = now};
    if (n == 0) return r;
    if (n > law_.burst) return {.wait = Admission::never};
    const std::uint64_t hash = key.hash(secret_);
    const detail::Moment moment = this->moment(now);
    update(hash, moment.units, [&](std::int64_t zero, std::int64_t& next) {
        next = law_.taken(zero, moment.units, n);
        const Admission answer = law_.judge(next, moment);
        r.granted = answer.admitted;
        r.wait = answer.retry_after;
        r.receipt = {
            .tokens = n,
            .returned = returned(hash).load(),
            .taken_at = detail::nanoseconds_of(now),
            .drained = next - (moment.units - law_.capacity)};
        return r.granted;
    });
    return r;
}

inline bool KeyedLimiter::refund(
    const LimitKey& key, const Reservation& reservation, TimePoint now
) noexcept {
    if (!reservation.granted) return false;
    const std::uint64_t hash = key.hash(secret_);
    const std::int64_t all = reservation.receipt.tokens * law_.token;
    std::int64_t back = 0;
    // Without a slot, the key's bucket has been full meanwhile, or was a shared one.
    table_.update_slot(hash, [&](std::int64_t zero, std::int64_t& next) {
        std::atomic<std::uint64_t>& sum = returned(hash);
        back =
            law_.returnable(reservation.receipt, sum.load(), detail::nanoseconds_of(now));
        sum.fetch_add(law_.tokens_of(back));
        next = std::max<std::int64_t>(zero - back, 1);
        return back > 0;
    });
    return back == all;
}

inline std::chrono::nanoseconds KeyedLimiter::charge(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    const detail::Moment moment = this->moment(now);
    std::chrono::nanoseconds repaid{0};
    update(key.hash(secret_), moment.units, [&](std::int64_t zero, std::int64_t& next) {
        next = law_.charged(zero, moment.units, n, kCeiling);
        repaid = law_.wait(next - moment.units, moment.phase);
        return n > 0;
    });
    return repaid;
}

inline bool KeyedLimiter::reset(const LimitKey& key, TimePoint now) noexcept {
    const std::uint64_t hash = key.hash(secret_);
    const std::int64_t full = moment(now).units - law_.capacity;
    const auto fill = [&](std::int64_t zero, std::int64_t& next) {
        returned(hash).fetch_add(detail::BucketLaw::kReset);
        next = full;
        return zero > full;
    };
    while (!table_.update_slot(hash, fill)) {
        if (table_.zero_of(hash) <= full) return true;
        if (!table_.claim(hash, full)) return false;
    }
    return true;
}

inline Admission KeyedLimiter::try_acquire_all(
    std::span<const KeyedRequest> requests, TimePoint now
) noexcept {
    Admission answer = take(requests, now);
    for (const KeyedRequest& request : requests) {
        if (answer.admitted) break;
        const Admission own = check(request.key, request.n, now);
        answer.retry_after = std::max(answer.retry_after, own.retry_after);
    }
    return answer;
}

inline Admission KeyedLimiter::take(
    std::span<const KeyedRequest> requests, TimePoint now
) noexcept {
    std::array<Reservation, 32> held;
    const auto here = requests.first(std::min(requests.size(), held.size()));
    std::size_t count = 0;
    Admission answer = Admission::admit();
    for (; count < here.size() && answer.admitted; ++count) {
        held[count] = reserve(here[count].key, here[count].n, now);
        answer = {held[count].granted, held[count].wait};
    }
    if (answer.admitted && here.size() < requests.size()) {
        answer = take(requests.subspan(here.size()), now);
    }
    while (!answer.admitted && count > 0) {
        --count;
        refund(here[count].key, held[count], now);
    }
    return answer;
}

inline KeyedLimiterStats KeyedLimiter::stats(TimePoint now) const noexcept {
    const std::int64_t full = moment(now).units - law_.capacity;
    const std::size_t groups = table_.groups();
    const std::size_t step = (groups - 1) / 1024 + 1;
    std::size_t seen = 0, used = 0;
    for (std::size_t group = 0; group < groups; group += step, ++seen) {
        used += table_.in_use(group, full);
    }
    return {
        .slots = groups * detail::SlotTable::kSlotsPerGroup,
        .keys = used * groups / seen,
        .overflows = overflows_.load(std::memory_order_relaxed)};
}

}  // namespace resilience

#endif
