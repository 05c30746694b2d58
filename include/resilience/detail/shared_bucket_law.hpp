// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SHARED_BUCKET_LAW_HPP
#define RESILIENCE_DETAIL_SHARED_BUCKET_LAW_HPP

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>

namespace resilience::detail {

/// A number that one thread may replace while others read it. A read orders what follows
/// after it.
template <class T>
class Published {
public:
    Published() = default;
    operator T() const noexcept { return value_.load(std::memory_order_acquire); }
    void operator=(T value) noexcept { value_.store(value, std::memory_order_release); }

private:
    Atomic<T> value_{};
};

/// The law of a bucket that may be given another one. Whoever reads it while it is
/// replaced gets some of each, and has to find that out by other means.
struct alignas(64) SharedBucketLaw : BasicBucketLaw<Published> {
    void operator=(const BucketLaw& law) noexcept { assign(*this, law); }

    BucketLaw load() const noexcept {
        BucketLaw law{};
        assign(law, *this);
        return law;
    }

private:
    template <class To, class From>
    static void assign(To& to, const From& from) noexcept {
        to.capacity = from.capacity;
        to.token = from.token;
        to.fine = from.fine;
        to.rate = from.rate;
        to.burst = from.burst;
        to.rate_factor = from.rate_factor;
        to.rate_shift = from.rate_shift;
        to.tick = from.tick;
        to.most_ticks = from.most_ticks;
        to.span = from.span;
        to.tick_factor = from.tick_factor;
        to.tick_shift = from.tick_shift;
        to.max_debt = from.max_debt;
        to.divisor = from.divisor;
        to.generation = from.generation;
    }
};

}  // namespace resilience::detail

#endif
