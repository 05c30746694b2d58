// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SPACE_WAITER_HPP
#define RESILIENCE_DETAIL_SPACE_WAITER_HPP

#include <resilience/task.hpp>

#include <cstddef>
#include <utility>

namespace resilience::detail {

/** A task whose submitter waits for space, linked into the level it waits for.

    From a queue's `waiting` until `resumed`, or until it was withdrawn, it belongs to the
    queue.
*/
class SpaceWaiter {
public:
    SpaceWaiter() = default;
    SpaceWaiter(const SpaceWaiter&) = delete;
    SpaceWaiter& operator=(const SpaceWaiter&) = delete;

    virtual Priority priority() const noexcept = 0;

    /// Makes its task at `cell`; there is space now. Called under a lock.
    virtual void move_into(QueuedTask* cell) noexcept = 0;

    /// Told once, without a lock: the task was queued, or else the queue closed. Nothing
    /// touches the waiter afterwards.
    virtual void resumed(bool queued) noexcept = 0;

protected:
    ~SpaceWaiter() = default;

private:
    friend class SpaceWaiters;
    friend class ResumedWaiters;
    SpaceWaiter* next_ = nullptr;
    SpaceWaiter* previous_ = nullptr;
    bool waiting_ = false;  // guarded by the lock of the level
};

/// Waiters in the order of their coming.
class SpaceWaiters {
public:
    SpaceWaiters() = default;
    SpaceWaiters(const SpaceWaiters&) = delete;
    SpaceWaiters& operator=(const SpaceWaiters&) = delete;

    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }

    void push_back(SpaceWaiter& w) noexcept {
        w.waiting_ = true;
        w.previous_ = last_;
        w.next_ = nullptr;
        (last_ ? last_->next_ : first_) = &w;
        last_ = &w;
        ++size_;
    }

    /// Takes the oldest; null if there is none.
    SpaceWaiter* pop_front() noexcept {
        SpaceWaiter* w = first_;
        if (w) remove(*w);
        return w;
    }

    /// Returns whether `w` still waited.
    bool remove(SpaceWaiter& w) noexcept {
        if (!w.waiting_) return false;
        (w.previous_ ? w.previous_->next_ : first_) = w.next_;
        (w.next_ ? w.next_->previous_ : last_) = w.previous_;
        w.waiting_ = false;
        --size_;
        return true;
    }

private:
    SpaceWaiter* first_ = nullptr;
    SpaceWaiter* last_ = nullptr;
    std::size_t size_ = 0;
};

/// Waiters that wait no more and are to be told so once no lock is held.
class ResumedWaiters {
public:
    bool empty() const noexcept { return first_ == nullptr; }

    void push_back(SpaceWaiter& w) noexcept {
        w.next_ = nullptr;
        (last_ ? last_->next_ : first_) = &w;
        last_ = &w;
    }

    void resume(bool queued) noexcept {
        while (SpaceWaiter* w = first_) {
            first_ = w->next_;
            w->resumed(queued);
        }
        last_ = nullptr;
    }

private:
    SpaceWaiter* first_ = nullptr;
    SpaceWaiter* last_ = nullptr;
};

}  // namespace resilience::detail

#endif
