// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BLOCKING_WAITER_HPP
#define RESILIENCE_DETAIL_BLOCKING_WAITER_HPP

#include <resilience/clock.hpp>
#include <resilience/task.hpp>

#include <resilience/detail/space_waiter.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace resilience::detail {

/// A thread that waits for space with the task in its hands.
template <class F>
class BlockingWaiter final : public SpaceWaiter {
public:
    BlockingWaiter(F& f, const TaskOptions& options) noexcept
        : f_{f}, options_{options} {}

    Priority priority() const noexcept override { return options_.priority; }

    void move_into(QueuedTask* cell) noexcept override {
        std::construct_at(cell, std::move(f_), options_);
    }

    void resumed(bool queued) noexcept override {
        // Notified under the lock: the waiter is gone as soon as it sees the result.
        const std::lock_guard lock{mutex_};
        queued_ = queued;
        resumed_.notify_one();
    }

    /// Waits for the end of the wait, for `stop`, or until `limit`. Returns whether the
    /// task was queued, or nothing if the wait goes on.
    std::optional<bool> wait(const std::stop_token& stop, TimePoint limit) {
        const auto end = [this] {
            const std::lock_guard lock{mutex_};
            stopped_ = true;
            resumed_.notify_one();
        };
        const std::stop_callback on_stop{stop, end};
        std::unique_lock lock{mutex_};
        const auto ended = [this] { return queued_.has_value() || stopped_; };
        if (limit > Clock::now()) resumed_.wait_until(lock, limit, ended);
        return queued_;
    }

    /// Waits for the end of a wait that could not be withdrawn any more.
    bool wait() {
        std::unique_lock lock{mutex_};
        resumed_.wait(lock, [this] { return queued_.has_value(); });
        return *queued_;
    }

private:
    F& f_;
    const TaskOptions& options_;
    std::mutex mutex_;
    std::condition_variable resumed_;
    std::optional<bool> queued_;
    bool stopped_ = false;
};

}  // namespace resilience::detail

#endif
