// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TASK_QUEUE_HPP
#define RESILIENCE_DETAIL_TASK_QUEUE_HPP

#include <resilience/task.hpp>
#include <resilience/worker_pool_options.hpp>

#include <resilience/detail/idlers.hpp>
#include <resilience/detail/pool_settings.hpp>
#include <resilience/detail/priority_law.hpp>
#include <resilience/detail/short_lock.hpp>
#include <resilience/detail/space_waiter.hpp>
#include <resilience/detail/sync.hpp>
#include <resilience/detail/task_level.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace resilience::detail {

/// What became of a task that was offered to a @ref TaskQueue.
enum class Offer : std::uint8_t {
    taken,
    /// Another one was given up for it.
    taken_instead,
    full,
    closed,
    /// Its submitter waits for space.
    waiting,
    /// Too many submitters wait for space.
    crowded
};

/** The bounded queue of a worker pool: one level for each priority, a lock for the
    submitters of each level, one lock for the workers.

    The lock of a level may be held when the workers' lock is taken, never the reverse.
    User code runs under no lock, but for the move of a callable into its cell.
*/
class TaskQueue {
public:
    explicit TaskQueue(const WorkerPoolOptions& options)
        : settings_{options},
          levels_{
              TaskLevel{options.capacity},
              TaskLevel{options.capacity},
              TaskLevel{options.capacity}} {}

    /// What its owner may change at any time.
    PoolSettings& settings() noexcept { return settings_; }
    const PoolSettings& settings() const noexcept { return settings_; }

    /** Adds what `make(QueuedTask*)` makes, if there is space.

        @param overflow Whether another one is given up for it if there is none.
        @param displaced Becomes the task that was given up for the new one, if any.
    */
    template <class Make, class Now>
    Offer offer(
        Priority priority,
        Overflow overflow,
        const Make& make,
        const Now& now,
        QueuedTask& displaced
    ) noexcept {
        TaskLevel& level = at(priority);
        ResumedWaiters resumed;
        const Offer result = [&] {
            const std::lock_guard lock{level.producers};
            if (level.closed) return Offer::closed;
            admit(level, resumed);
            const bool room = level.waiters.empty() && level.has_room();
            const Offer answer =
                room ? Offer::taken : displace(level, overflow, now, displaced);
            if (answer != Offer::full) level.add(make);
            return answer;
        }();
        const bool added = result == Offer::taken || result == Offer::taken_instead;
        if (added || !resumed.empty()) idlers_.work_added();
        resumed.resume(true);
        return result;
    }

    /// As @ref offer_or_wait, for a thread: a busy pool makes space sooner than a thread
    /// falls asleep, so it looks a few times before it waits.
    Offer offer_or_block(SpaceWaiter& waiter) noexcept {
        Offer answer = offer_or_wait(waiter, false);
        for (int looks = 0; answer == Offer::full && looks < contended_looks; ++looks) {
            pause_briefly();
            if (at(waiter.priority()).had_room()) answer = offer_or_wait(waiter, false);
        }
        return answer == Offer::full ? offer_or_wait(waiter) : answer;
    }

    /// Adds the task of `waiter`, or lets it wait for space, if it may.
    Offer offer_or_wait(SpaceWaiter& waiter, bool may_wait = true) noexcept {
        TaskLevel& level = at(waiter.priority());
        ResumedWaiters resumed;
        const Offer result = [&] {
            const std::lock_guard lock{level.producers};
            if (level.closed) return Offer::closed;
            admit(level, resumed);
            if (level.waiters.empty() && (level.has_room() || !want_space(level))) {
                level.add([&](QueuedTask* cell) { waiter.move_into(cell); });
                return Offer::taken;
            }
            if (!may_wait) return Offer::full;
            if (level.waiters.size() >= settings_.max_waiting()) return Offer::crowded;
            level.waiters.push_back(waiter);
            return Offer::waiting;
        }();
        if (result == Offer::taken || !resumed.empty()) idlers_.work_added();
        resumed.resume(true);
        return result;
    }

    /// Ends a wait for space. Returns whether it lasted until now: `resumed` is not
    /// called then.
    bool withdraw(SpaceWaiter& waiter) noexcept {
        TaskLevel& level = at(waiter.priority());
        const std::lock_guard lock{level.producers};
        return level.waiters.remove(waiter);
    }

    /// Takes a task; sleeps until there is one. Returns false if none will come any more.
    bool take(QueuedTask& task) noexcept {
        bool rested = false;
        bool searching = false;
        for (;;) {
            if (take_now(task)) {
                if (searching) idlers_.found();
                if (rested && may_have_task()) idlers_.work_added();
                return true;
            }
            if (finished()) return false;
            searching = idlers_.rest(searching, settings_.spin(), [this] {
                return may_have_task() || finished();
            });
            rested = true;
        }
    }

    /// Takes nothing more in; who waits for space is told. The workers empty the queue.
    void close() noexcept {
        ResumedWaiters resumed;
        for (TaskLevel& level : levels_) {
            const std::lock_guard lock{level.producers};
            level.closed = true;
            while (SpaceWaiter* waiter = level.waiters.pop_front()) {
                resumed.push_back(*waiter);
            }
        }
        // Whoever sees it sees every task: all were added under the locks.
        closed_.store(true, std::memory_order_release);
        idlers_.wake_all();
        resumed.resume(false);
    }

    /// Gives no task to any worker from now on.
    void halt() noexcept {
        {
            const std::lock_guard lock{consumers_};
            halted_.store(true, std::memory_order_relaxed);
        }
        idlers_.wake_all();
    }

    /// Takes a task out of a halted queue: of the highest priority, the oldest. Returns
    /// whether there was one.
    bool take_back(QueuedTask& task) noexcept {
        const std::lock_guard lock{consumers_};
        for (TaskLevel& level : levels_) {
            if (!level.has_task()) continue;
            level.take_front(task);
            return true;
        }
        return false;
    }

    std::size_t size(Priority priority) const noexcept {
        return levels_[static_cast<std::size_t>(priority)].size();
    }

    std::size_t size() const noexcept {
        std::size_t sum = 0;
        for (const TaskLevel& level : levels_) sum += level.size();
        return sum;
    }

    /// Submitters that wait for space.
    std::size_t waiting() noexcept {
        std::size_t sum = 0;
        for (TaskLevel& level : levels_) {
            const std::lock_guard lock{level.producers};
            sum += level.waiters.size();
        }
        return sum;
    }

    /// Tasks ever added.
    std::uint64_t added() const noexcept {
        std::uint64_t sum = 0;
        for (const TaskLevel& level : levels_) sum += level.added();
        return sum;
    }

private:
    TaskLevel& at(Priority priority) noexcept {
        return levels_[static_cast<std::size_t>(priority)];
    }

    bool may_have_task() const noexcept {
        for (const TaskLevel& level : levels_) {
            if (level.may_have_task()) return true;
        }
        return false;
    }

    // A worker that misses either flag here sees it before it takes a task or sleeps, by
    // the locks of the workers and of the sleepers.
    bool finished() const noexcept {
        if (halted_.load(std::memory_order_relaxed)) return true;
        return closed_.load(std::memory_order_acquire) && size() == 0;
    }

    /// Asks the workers to tell of the next free cell, unless there is one already.
    /// Returns whether there is none. The level is locked.
    bool want_space(TaskLevel& level) noexcept {
        const std::lock_guard lock{consumers_};
        if (level.has_room()) return false;
        level.space_wanted = true;
        return true;
    }

    /// Moves waiting tasks into the level while there is space. The level is locked.
    void admit(TaskLevel& level, ResumedWaiters& resumed) noexcept {
        while (!level.waiters.empty()) {
            if (!level.has_room() && want_space(level)) return;
            SpaceWaiter& waiter = *level.waiters.pop_front();
            level.add([&](QueuedTask* cell) { waiter.move_into(cell); });
            resumed.push_back(waiter);
        }
    }

    void admit_waiters(TaskLevel& level) noexcept {
        ResumedWaiters resumed;
        {
            const std::lock_guard lock{level.producers};
            admit(level, resumed);
        }
        if (!resumed.empty()) idlers_.work_added();
        resumed.resume(true);
    }

    /// Makes space as `overflow` says. The level is locked.
    template <class Now>
    Offer displace(
        TaskLevel& level, Overflow overflow, const Now& now, QueuedTask& displaced
    ) noexcept {
        if (overflow == Overflow::drop_oldest) {
            const std::lock_guard lock{consumers_};
            if (!level.has_task()) return Offer::taken;
            level.take_front(displaced);
            return Offer::taken_instead;
        }
        if (overflow == Overflow::drop_expired) {
            const TimePoint instant = now();
            const std::lock_guard lock{consumers_};
            if (level.take_expired(instant, displaced)) return Offer::taken_instead;
        }
        return Offer::full;
    }

    /// Takes a task if there is one, and gives the free cell to who waits for it.
    bool take_now(QueuedTask& task) noexcept {
        TaskLevel* wanted = nullptr;
        if (!take_by_turn(task, wanted)) return false;
        if (wanted) admit_waiters(*wanted);
        return true;
    }

    bool take_by_turn(QueuedTask& task, TaskLevel*& wanted) noexcept {
        const std::lock_guard lock{consumers_};
        if (halted_.load(std::memory_order_relaxed)) return false;
        for (const Priority priority : level_order(turn_)) {
            TaskLevel& level = at(priority);
            if (!level.has_task()) continue;
            ++turn_;
            level.take_front(task);
            if (std::exchange(level.space_wanted, false)) wanted = &level;
            return true;
        }
        return false;
    }

    PoolSettings settings_;
    std::array<TaskLevel, priority_count> levels_;

    alignas(64) ShortLock consumers_;
    std::uint64_t turn_ = 0;      // guarded by consumers_
    Atomic<bool> halted_{false};  // written under consumers_
    Atomic<bool> closed_{false};
    Idlers idlers_;
};

}  // namespace resilience::detail

#endif
