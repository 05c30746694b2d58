// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_INTERRUPT_HPP
#define RESILIENCE_SQLITE_INTERRUPT_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace resilience::sqlite::detail {

/** What can end an operation early: its deadline, its caller, the end of the database.

    @par Thread safety
    `trip`: safe. Others: the worker's thread.
*/
class Interrupt {
public:
    explicit Interrupt(TimePoint deadline) noexcept : deadline_(deadline) {}

    void trip(Errc reason) {
        const std::lock_guard lock(mutex_);
        if (reason_ == none) reason_ = static_cast<int>(reason);
        wake_.notify_all();
    }

    void shorten(TimePoint deadline) noexcept {
        deadline_ = std::min(deadline_, deadline);
    }

    /// Why the operation must end now, if it must.
    std::optional<Errc> reason(TimePoint now = Clock::now()) const noexcept {
        if (const int value = reason_; value != none) return static_cast<Errc>(value);
        if (now >= deadline_) return Errc::timed_out;
        return std::nullopt;
    }

    /// Waits for `time`. False: the operation must end.
    bool wait(std::chrono::nanoseconds time) {
        std::unique_lock lock(mutex_);
        const auto until = std::min(Clock::now() + time, deadline_);
        wake_.wait_until(lock, until, [this] { return reason_ != none; });
        return !reason();
    }

private:
    static constexpr int none = 0;

    TimePoint deadline_;
    std::atomic<int> reason_{none};
    std::mutex mutex_;
    std::condition_variable wake_;
};

}  // namespace resilience::sqlite::detail

#endif
