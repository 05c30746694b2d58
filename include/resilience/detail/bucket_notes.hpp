// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUCKET_NOTES_HPP
#define RESILIENCE_DETAIL_BUCKET_NOTES_HPP

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/return_notes.hpp>
#include <resilience/detail/sync.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace resilience::detail {

/// Keeps the latest of the instants that were promised to those who wait at a bucket,
/// which its word does not tell. Whoever changes the word notes its promise before that,
/// so whoever finds the change in the word finds the promise too.
class LatestPromise {
public:
    /// In nanoseconds.
    std::int64_t promised() const noexcept {
        return promised_.load(std::memory_order_relaxed);
    }

    void promise(std::int64_t instant) noexcept {
        instant = std::min(instant, kTimeLimit - 1);
        std::int64_t seen = promised_.load(std::memory_order_relaxed);
        while (seen < instant &&
               !promised_.compare_exchange_weak(seen, instant, std::memory_order_relaxed)
        ) {
        }
    }

private:
    Atomic<std::int64_t> promised_{-kTimeLimit};
};

/// Keeps what refunds have to know of a bucket in which one may wait: the latest start of
/// a reservation that had to, and what was returned.
class BucketNotes : public ReturnNotes, public LatestPromise {};

}  // namespace resilience::detail

#endif
