// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_STRIPED_TOKEN_BUCKET_HPP
#define RESILIENCE_STRIPED_TOKEN_BUCKET_HPP

#include <resilience/admission.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/sync.hpp>
#include <resilience/detail/thread_stripe.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

namespace resilience {

/// How fast a striped bucket refills, how much it holds, and how it is divided.
struct StripedTokenBucketOptions {
    /// Rate and burst of the whole. `max_debt` must be 0.
    TokenBucketOptions limit{};

    /// Stripes; 0 to 4096. Default 0: four for each processor, so that two threads seldom
    /// share one.
    std::uint32_t stripes = 0;

    /// Most tokens that a stripe holds; at most 32,768. Default 0: a quarter of the burst
    /// divided among the stripes, at most 64. If the stripes could hold more than a
    /// quarter of the burst, or nothing, there are none, and the bucket is a plain one.
    std::uint32_t tokens_per_stripe = 0;

    friend bool
    operator==(const StripedTokenBucketOptions&, const StripedTokenBucketOptions&) =
        default;
};

/** A @ref TokenBucket for many threads at once: each takes from a stripe of its own.

    What one bucket costs two threads is the memory that goes to and fro between them.
   Here a thread takes tokens from the common bucket a stripe full at a time, and in
   between from its stripe, which no other processor touches.

    The common bucket has a smaller burst, by all that the stripes can hold. So over any
    stretch of time `w` no more than `burst + w * tokens / period` are admitted, as by a
    plain bucket: what the stripes held before, and what the common bucket has given
   since. The price: tokens in the stripes of threads that rest are out of reach of the
   others, a quarter of the burst at most, and a call for more than three quarters is
   refused for ever. A call that brings an older instant than those before may be admitted
   with tokens that have arrived since, as far as they are in its stripe.

    Worth it when several threads are admitted many millions of times a second; else a
   plain bucket is smaller and as fast.

    @tparam StripeOf Tells the stripe of the calling thread: `std::uint32_t operator()()
        const noexcept`, any number below 2^32, of which the stripes take equal parts. By
        default a number of the thread's own; one of its processor's is as good.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free. A refusal writes nothing.
*/
template <class StripeOf = detail::ThreadStripe>
class BasicStripedTokenBucket {
public:
    using Options = StripedTokenBucketOptions;

    /** Makes a full bucket.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit BasicStripedTokenBucket(
        const StripedTokenBucketOptions& options = {}, StripeOf stripe_of = {}
    )
        : made_with_{options},
          count_{stripes_of(options)},
          each_{tokens_of(options, count_)},
          common_{common_limit(options, reserved())},
          stripe_of_thread_{std::move(stripe_of)},
          stripes_{each_ > 0 ? std::make_unique<Stripe[]>(count_) : nullptr} {
        for (std::uint32_t i = 0; i < stripes(); ++i) stripes_[i].tokens.store(each_);
    }

    BasicStripedTokenBucket(const BasicStripedTokenBucket&) = delete;
    BasicStripedTokenBucket& operator=(const BasicStripedTokenBucket&) = delete;

    /// Takes `n` tokens, or none; see @ref RateLimiter. Never waits. The wait of a
    /// refusal is that of the common bucket.
    Admission try_acquire(std::uint32_t n = 1, TimePoint now = Clock::now()) noexcept {
        return try_acquire_on(stripe_of_thread_(), n, now);
    }

    /** The same as if by a thread that has stripe `chosen`: for programs that number
       their threads (or processors) themselves.

        @param chosen Any number below 2^32; stripes take equal parts of that range. To
            number stripes from 0, see @ref stripe.
    */
    Admission try_acquire_on(
        std::uint32_t chosen, std::uint32_t n = 1, TimePoint now = Clock::now()
    ) noexcept;

    /// Tells what @ref try_acquire would answer on this thread. Takes nothing.
    Admission peek(std::uint32_t n = 1, TimePoint now = Clock::now()) const noexcept {
        if (n != 0 && n <= held()) return Admission::admit();
        return common_.peek(n, now);
    }

    /// Tells what there is for this thread: in its stripe or in the common bucket,
    /// whichever is more. `limit` is the burst of the common bucket, the most that one
    /// call can have.
    LimiterSnapshot snapshot(TimePoint now = Clock::now()) const noexcept {
        LimiterSnapshot seen = common_.snapshot(now);
        const std::uint32_t mine = held();
        if (mine > seen.available) {
            seen.available = mine;
            seen.until_next = common_.peek(mine + 1, now).retry_after;
        }
        return seen;
    }

    /// The stripes in use; 0 if the bucket is a plain one.
    std::uint32_t stripes() const noexcept { return each_ > 0 ? count_ : 0; }

    /// What @ref try_acquire_on takes for the stripe number `index`, counted from 0 and
    /// beginning anew after the last one.
    std::uint32_t stripe(std::uint32_t index) const noexcept {
        const std::uint64_t part = (std::uint64_t{1} << 32) / count_;
        return static_cast<std::uint32_t>((index % count_) * part + part / 2);
    }

    /** Gives the bucket another rate and burst, at once and for all who share it.

        The stripes keep what they hold; the common bucket keeps as many tokens as it has,
        at most its new burst. Only `StripedTokenBucketOptions::limit` can be changed: how
        many stripes there are and what each may hold, also if that was left to the
        bucket, stays as it was made.

        @throws std::invalid_argument Names the field of `options` that is out of range,
            or that differs and cannot be changed: `stripes`, `tokens_per_stripe`, or a
            `limit.burst` of which the stripes may hold more than a quarter. Nothing has
            changed then.

        @par Thread safety
        Safe; two changes at once take place in turn. Those who take tokens meanwhile do
       so by the old options or by the new ones, and never wait.
    */
    void reconfigure(
        const StripedTokenBucketOptions& options, TimePoint now = Clock::now()
    );

    /// The options that the bucket has.
    StripedTokenBucketOptions options() const noexcept {
        StripedTokenBucketOptions now = made_with_;
        now.limit = common_.options();
        now.limit.burst += reserved();
        return now;
    }

private:
    static constexpr std::uint32_t kMostStripes = 4096;
    static constexpr std::uint32_t kMostTokens = 32'768;
    static constexpr std::uint32_t kRefilling = std::uint32_t{1} << 31;

    struct alignas(64) Stripe {
        // Tokens, and whether a thread is fetching more: two would bring too many.
        detail::Atomic<std::uint32_t> tokens{0};
    };

    static std::uint32_t stripes_of(const StripedTokenBucketOptions& options);
    static std::uint32_t tokens_of(
        const StripedTokenBucketOptions& options, std::uint32_t stripes
    );
    static TokenBucketOptions common_limit(
        const StripedTokenBucketOptions& options, std::uint32_t reserved
    );

    Stripe& stripe_of(std::uint32_t chosen) const noexcept {
        return stripes_[std::uint64_t{chosen} * count_ >> 32];
    }

    std::uint32_t held() const noexcept {
        if (each_ == 0) return 0;
        const Stripe& mine = stripe_of(stripe_of_thread_());
        return mine.tokens.load(std::memory_order_relaxed) & ~kRefilling;
    }

    /// Most tokens that all stripes hold.
    std::uint32_t reserved() const noexcept { return each_ * count_; }

    Admission refill(Stripe& stripe, std::uint32_t n, TimePoint now) noexcept;

    const StripedTokenBucketOptions made_with_;
    std::uint32_t count_;
    std::uint32_t each_;
    TokenBucket common_;
    [[no_unique_address]] StripeOf stripe_of_thread_;
    std::unique_ptr<Stripe[]> stripes_;
};

/// A @ref BasicStripedTokenBucket in which each thread has a stripe of its own.
using StripedTokenBucket = BasicStripedTokenBucket<>;

template <class StripeOf>
std::uint32_t BasicStripedTokenBucket<StripeOf>::stripes_of(
    const StripedTokenBucketOptions& options
) {
    if (options.stripes > kMostStripes) {
        throw std::invalid_argument{
            "StripedTokenBucketOptions::stripes must be at most 4096"};
    }
    if (options.stripes > 0) return options.stripes;
    return std::clamp(4 * std::thread::hardware_concurrency(), 4u, kMostStripes);
}

template <class StripeOf>
std::uint32_t BasicStripedTokenBucket<StripeOf>::tokens_of(
    const StripedTokenBucketOptions& options, std::uint32_t stripes
) {
    if (options.tokens_per_stripe > kMostTokens) {
        throw std::invalid_argument{
            "StripedTokenBucketOptions::tokens_per_stripe must be at most 32768"};
    }
    if (options.limit.max_debt != 0) {
        throw std::invalid_argument{
            "StripedTokenBucketOptions::limit.max_debt must be 0"};
    }
    const std::uint32_t most = options.limit.burst / 4 / stripes;
    if (options.tokens_per_stripe == 0) return std::min(most, 64u);
    return options.tokens_per_stripe <= most ? options.tokens_per_stripe : 0;
}

template <class StripeOf>
TokenBucketOptions BasicStripedTokenBucket<StripeOf>::common_limit(
    const StripedTokenBucketOptions& options, std::uint32_t reserved
) {
    TokenBucketOptions limit = options.limit;
    limit.burst -= reserved;
    return limit;
}

template <class StripeOf>
Admission BasicStripedTokenBucket<StripeOf>::try_acquire_on(
    std::uint32_t chosen, std::uint32_t n, TimePoint now
) noexcept {
    if (n == 0 || n > each_) return common_.try_acquire(n, now);
    Stripe& stripe = stripe_of(chosen);
    std::uint32_t held = stripe.tokens.load(std::memory_order_relaxed);
    while ((held & ~kRefilling) >= n) {
        if (stripe.tokens.compare_exchange_weak(
                held, held - n, std::memory_order_relaxed
            )) {
            return Admission::admit();
        }
    }
    return refill(stripe, n, now);
}

template <class StripeOf>
void BasicStripedTokenBucket<StripeOf>::reconfigure(
    const StripedTokenBucketOptions& options, TimePoint now
) {
    if (options.stripes != made_with_.stripes) {
        throw std::invalid_argument{
            "StripedTokenBucketOptions::stripes cannot be changed in use"};
    }
    if (options.tokens_per_stripe != made_with_.tokens_per_stripe) {
        throw std::invalid_argument{
            "StripedTokenBucketOptions::tokens_per_stripe cannot be changed in use"};
    }
    tokens_of(options, count_);  // may refuse them
    if (options.limit.burst / 4 < reserved()) {
        throw std::invalid_argument{
            "StripedTokenBucketOptions::limit.burst must be four times what the stripes "
            "hold"};
    }
    common_.reconfigure(common_limit(options, reserved()), TokenCarry::as_is, now);
}

template <class StripeOf>
Admission BasicStripedTokenBucket<StripeOf>::refill(
    Stripe& stripe, std::uint32_t n, TimePoint now
) noexcept {
    const Admission there = common_.peek(n, now);
    if (!there) return there;
    // Whoever finds another thread fetching takes what it needs itself.
    std::uint32_t held = stripe.tokens.load(std::memory_order_relaxed);
    if ((held & kRefilling) != 0 || !stripe.tokens.compare_exchange_strong(
                                        held, held | kRefilling, std::memory_order_relaxed
                                    )) {
        return common_.try_acquire(n, now);
    }
    // Until the mark is gone, tokens only leave the stripe: there will be room.
    const std::uint32_t room = each_ - held;
    if (common_.try_acquire(n + room, now)) {
        stripe.tokens.fetch_sub(kRefilling - room, std::memory_order_relaxed);
        return Admission::admit();
    }
    stripe.tokens.fetch_sub(kRefilling, std::memory_order_relaxed);
    return common_.try_acquire(n, now);
}

}  // namespace resilience

#endif
