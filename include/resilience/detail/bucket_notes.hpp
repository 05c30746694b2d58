// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUCKET_NOTES_HPP
#define RESILIENCE_DETAIL_BUCKET_NOTES_HPP

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/cancelled_runs.hpp>
#include <resilience/detail/short_lock.hpp>
#include <resilience/detail/sync.hpp>
#include <resilience/detail/wrapping.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>

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

/** Keeps what refunds have to know of a bucket in which one may wait, and its word does
    not tell: the latest start of a reservation that had to, what was returned, and which
    takings were cancelled.

    Refunds take turns. What they return is noted after the word was changed, so whoever
    finds the note finds the change in the word. A receipt of who does not find a note yet
    tells of less than was returned, and its refund returns less for it, never more.
*/
class BucketNotes : public LatestPromise {
public:
    /// Tokens ever returned, each of which any part came back.
    std::uint64_t returned() const noexcept {
        return tokens_.load(std::memory_order_acquire);
    }

    /// Units by which refunds have moved back the zero; they wrap around.
    std::int64_t moved_back() const noexcept {
        return units_.load(std::memory_order_acquire);
    }

    /// One refund, while it has its turn.
    class Return {
    public:
        /// @param start For when the tokens were promised, in nanoseconds.
        /// @param at Now, likewise.
        Return(
            BucketNotes& notes,
            const Receipt& receipt,
            std::int64_t start,
            std::int64_t at
        ) noexcept
            : notes_{notes},
              turn_{notes.turn_},
              receipt_{receipt},
              at_{at},
              mine_{
                  .begin = (Wrapping{receipt.end} - receipt.units).value(),
                  .end = receipt.end,
                  .units = receipt.units,
                  .returned = 0,
                  .start = start} {
            if (notes.generation_ == receipt.generation) others_ = notes.cancelled_;
            others_.forget_before(at);
        }

        Return(const Return&) = delete;
        Return& operator=(const Return&) = delete;

        /// Units that come back to the bucket as it is now.
        template <class View>
        std::int64_t due(const View& view) const noexcept {
            CancelledRuns all = others_;
            all.add(mine_);
            const Wrapping taken =
                Wrapping{view.place_of(view.zero)} + notes_.moved_back();
            const std::int64_t owed = all.owed(taken.value());
            if (owed == 0) return due_to_one(view);
            // The bucket becomes what it would be without those who were cancelled, but
            // not more than full.
            const std::int64_t full = view.now - view.law.capacity;
            return std::clamp<std::int64_t>(view.zero - full, 0, owed);
        }

        /// The word was changed, if there was anything to return.
        void finish(std::int64_t units, std::uint64_t tokens) noexcept {
            mine_.returned = units;
            others_.add(mine_);
            notes_.cancelled_ = others_;
            notes_.generation_ = receipt_.generation;
            const Wrapping moved = Wrapping{notes_.moved_back()} + units;
            notes_.units_.store(moved.value(), std::memory_order_release);
            notes_.tokens_.store(notes_.returned() + tokens, std::memory_order_release);
        }

    private:
        /// Units that come back if others who may have been promised theirs are behind.
        template <class View>
        std::int64_t due_to_one(const View& view) const noexcept {
            const std::uint64_t returned = notes_.returned();
            const std::uint64_t others = returned - receipt_.returned;
            // Until those who queue behind start, the bucket is spoken for: the refill up
            // to then counts, not up to now.
            const std::int64_t queue =
                view.law.queue(view.zero, view.moment(), others).count();
            const std::int64_t wait = std::min(notes_.promised() - at_, queue);
            const std::int64_t until = at_ + std::max<std::int64_t>(0, wait);
            return view.law.returnable(receipt_, returned, until);
        }

        BucketNotes& notes_;
        const std::lock_guard<ShortLock> turn_;
        const Receipt& receipt_;
        const std::int64_t at_;  // nanoseconds
        CancelledRun mine_;
        CancelledRuns others_;
    };

private:
    Atomic<std::uint64_t> tokens_{0};
    Atomic<std::int64_t> units_{0};
    ShortLock turn_;
    CancelledRuns cancelled_;       // guarded by turn_, as what follows
    std::uint32_t generation_ = 0;  // of the law by which they were taken
};

}  // namespace resilience::detail

#endif
