// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TASK_LEVEL_HPP
#define RESILIENCE_DETAIL_TASK_LEVEL_HPP

#include <resilience/clock.hpp>
#include <resilience/task.hpp>

#include <resilience/detail/short_lock.hpp>
#include <resilience/detail/space_waiter.hpp>
#include <resilience/detail/sync.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace resilience::detail {

/** The tasks of one priority: a bounded ring with a producers' side and a consumers'.

    What a side needs lies on its own cache lines, with a copy of the other side's index
    that is refreshed only when the ring seems full, or empty. Positions count up for
   ever.
*/
class TaskLevel {
public:
    /// Tasks of which it is looked whether they have expired while both sides are held.
    static constexpr std::uint64_t expired_looks = 64;

    explicit TaskLevel(std::size_t capacity)
        : capacity_{capacity},
          mask_{std::bit_ceil(capacity) - 1},
          cells_{std::allocator<QueuedTask>{}.allocate(mask_ + 1)} {}

    TaskLevel(const TaskLevel&) = delete;
    TaskLevel& operator=(const TaskLevel&) = delete;

    ~TaskLevel() {
        for (QueuedTask task; has_task();) take_front(task);
        std::allocator<QueuedTask>{}.deallocate(cells_, mask_ + 1);
    }

    // Producers' side: `producers` is held.

    bool has_room() noexcept {
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_seen_ < capacity_) return true;
        head_seen_ = head_.load(std::memory_order_acquire);
        return tail - head_seen_ < capacity_;
    }

    /// Adds what `make(QueuedTask*)` makes there. There must be room.
    template <class Make>
    void add(const Make& make) noexcept {
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        QueuedTask* cell = at(tail);
        __builtin_prefetch(at(tail + ahead), 1);
        make(cell);
        if (cell->has_deadline() && cell->deadline() < earliest_) {
            earliest_ = cell->deadline();
        }
        // In one order with the word of the idle workers; see IdleWord.
        tail_.store(tail + 1, std::memory_order_seq_cst);
    }

    // Consumers' side: the queue's lock of the consumers is held.

    bool has_task() noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        if (head != tail_seen_) return true;
        tail_seen_ = tail_.load(std::memory_order_acquire);
        return head != tail_seen_;
    }

    /// Takes the oldest task. There must be one.
    void take_front(QueuedTask& task) noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        task.take_over(*at(head));
        head_.store(head + 1, std::memory_order_release);
        if (tail_seen_ - head > ahead) __builtin_prefetch(at(head + ahead));
    }

    // Both sides are held.

    /// Takes the oldest task that is of no more use, from amid the others, if it is among
    /// the next @ref expired_looks. Returns whether there was one.
    bool take_expired(TimePoint now, QueuedTask& task) noexcept {
        if (now < earliest_) return false;
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        tail_seen_ = tail;  // the head must not overtake it
        const std::uint64_t end = std::min(tail, head + expired_looks);
        TimePoint earliest = TimePoint::max();
        for (std::uint64_t i = head; i != end; ++i) {
            if (at(i)->expired(now)) {
                task.take_over(*at(i));
                for (; i != head; --i) {
                    std::construct_at(at(i), Relocation{}, *at(i - 1));
                }
                head_.store(head + 1, std::memory_order_release);
                return true;
            }
            if (at(i)->deadline() < earliest) earliest = at(i)->deadline();
        }
        if (end == tail) earliest_ = earliest;
        return false;
    }

    // Anybody.

    /// Whether there is a task: never wrongly no. In one order with the word of the idle
    /// workers.
    bool may_have_task() const noexcept {
        return tail_.load(std::memory_order_seq_cst) !=
               head_.load(std::memory_order_relaxed);
    }

    /// Whether there seems to be room: who has to know looks under the lock.
    bool had_room() const noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        return tail_.load(std::memory_order_relaxed) - head < capacity_;
    }

    /// Tasks ever added.
    std::uint64_t added() const noexcept { return tail_.load(std::memory_order_relaxed); }

    /// Tasks in the ring: none of which the caller knows that it is there is missing.
    std::size_t size() const noexcept {
        // With a head comes the tail that was seen by who moved it: no less than the
        // head.
        const std::uint64_t head = head_.load(std::memory_order_acquire);
        return static_cast<std::size_t>(tail_.load(std::memory_order_relaxed) - head);
    }

    // Guarded by `producers`.
    alignas(64) ShortLock producers;
    bool closed = false;
    SpaceWaiters waiters;

private:
    // How many cells ahead one is fetched: it comes from another processor's cache.
    static constexpr std::size_t ahead = 4;

    QueuedTask* at(std::uint64_t position) const noexcept {
        return cells_ + (position & mask_);
    }

    std::uint64_t head_seen_ = 0;
    TimePoint earliest_ = TimePoint::max();  // no deadline in the ring is before this
    Atomic<std::uint64_t> tail_{0};

    alignas(64) Atomic<std::uint64_t> head_{0};
    std::uint64_t tail_seen_ = 0;

public:
    /// Guarded by the lock of the consumers: somebody waits for the next free cell.
    bool space_wanted = false;

private:
    alignas(64) const std::size_t capacity_;
    const std::size_t mask_;
    QueuedTask* const cells_;
};

}  // namespace resilience::detail

#endif
