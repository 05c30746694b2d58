// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SHARED_BUCKET_LAW_HPP
#define RESILIENCE_DETAIL_SHARED_BUCKET_LAW_HPP

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/bucket_numbers.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <cstddef>
#include <tuple>
#include <utility>

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
struct alignas(64) SharedBucketLaw : BucketNumbers<Published> {
    void operator=(const BucketLaw& law) noexcept { write(law, Each{}); }

    BucketLaw load() const noexcept { return read(Each{}); }

private:
    static constexpr std::size_t kNumbers =
        std::tuple_size_v<decltype(all_of(std::declval<BucketLaw&>()))>;
    using Each = std::make_index_sequence<kNumbers>;

    template <std::size_t... I>
    void write(const BucketLaw& law, std::index_sequence<I...>) noexcept {
        const auto to = all_of(*this);
        const auto from = all_of(law);
        ((std::get<I>(to) = std::get<I>(from)), ...);
    }

    // Backwards: whoever finds a number replaced finds those before it replaced too.
    template <std::size_t... I>
    BucketLaw read(std::index_sequence<I...>) const noexcept {
        BucketLaw law;
        const auto to = all_of(law);
        const auto from = all_of(*this);
        ((std::get<kNumbers - 1 - I>(to) = std::get<kNumbers - 1 - I>(from)), ...);
        return law;
    }
};

}  // namespace resilience::detail

#endif
