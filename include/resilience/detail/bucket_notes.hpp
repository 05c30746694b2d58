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

/// Keeps what refunds have to know of a bucket in which one may wait, and its word does
/// not tell. Promises are noted as @ref ReturnNotes tells.
class BucketNotes : public ReturnNotes {
public:
    /// The latest start, in nanoseconds, of a reservation that had to wait.
    std::int64_t promised() const noexcept {
        return promised_.load(std::memory_order_relaxed);
    }

    void promise(std::int64_t start) noexcept {
        start = std::min(start, kTimeLimit - 1);
        std::int64_t seen = promised_.load(std::memory_order_relaxed);
        while (seen < start &&
               !promised_.compare_exchange_weak(seen, start, std::memory_order_relaxed)) {
        }
    }

private:
    Atomic<std::int64_t> promised_{-kTimeLimit};
};

}  // namespace resilience::detail

#endif
