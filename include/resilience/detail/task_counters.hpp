// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TASK_COUNTERS_HPP
#define RESILIENCE_DETAIL_TASK_COUNTERS_HPP

#include <atomic>
#include <cstdint>

namespace resilience::detail {

/// What tasks came to; the sum over several @ref TaskCounters.
struct TaskCounts {
    std::uint64_t started = 0;
    std::uint64_t completed = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t expired = 0;
    std::uint64_t threw = 0;

    std::uint64_t running() const noexcept { return started - completed - cancelled; }
};

/// Counts tasks. Has one writer, unless it is made shared.
class alignas(64) TaskCounters {
public:
    /// Allows several writers. To be called before the first of them.
    void share() noexcept { shared_ = true; }

    void start() noexcept { add(started_); }
    void expire() noexcept { add(expired_); }

    void end(bool cancelled, bool threw) noexcept {
        if (threw) add(threw_);
        add(cancelled ? cancelled_ : completed_);
    }

    void add_to(TaskCounts& sum) const noexcept {
        // Ends before starts, so that no sum shows more ends.
        sum.completed += completed_.load(std::memory_order_acquire);
        sum.cancelled += cancelled_.load(std::memory_order_acquire);
        sum.expired += expired_.load(std::memory_order_acquire);
        sum.threw += threw_.load(std::memory_order_acquire);
        sum.started += started_.load(std::memory_order_acquire);
    }

private:
    using Counter = std::atomic<std::uint64_t>;

    void add(Counter& c) noexcept {
        if (shared_) {
            c.fetch_add(1, std::memory_order_release);
        } else {
            c.store(c.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        }
    }

    Counter started_{0};
    Counter completed_{0};
    Counter cancelled_{0};
    Counter expired_{0};
    Counter threw_{0};
    bool shared_ = false;
};

}  // namespace resilience::detail

#endif
