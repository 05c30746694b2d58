// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_POOL_SETTINGS_HPP
#define RESILIENCE_DETAIL_POOL_SETTINGS_HPP

#include <resilience/clock.hpp>
#include <resilience/worker_pool_options.hpp>

#include <resilience/detail/instant_in.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>

namespace resilience::detail {

/// What of the options of a pool may change in use. Each is read by itself where it is
/// acted upon, and nothing else depends on it.
class PoolSettings {
public:
    explicit PoolSettings(const WorkerPoolOptions& options) noexcept { set(options); }

    /// @throws std::invalid_argument Names the field that is out of range, or is not what
    ///     it is in `fixed` though it cannot change.
    void change(const WorkerPoolOptions& fixed, const WorkerPoolOptions& options) {
        const auto demand = [](bool same, const char* text) {
            if (!same) throw std::invalid_argument{text};
        };
        checked(options);
        demand(
            options.threads == fixed.threads,
            "WorkerPoolOptions::threads cannot change in use"
        );
        demand(
            options.capacity == fixed.capacity,
            "WorkerPoolOptions::capacity cannot change in use"
        );
        demand(
            options.name == fixed.name, "WorkerPoolOptions::name cannot change in use"
        );
        set(options);
    }

    /// The options in force, of which `fixed` are those that cannot change.
    WorkerPoolOptions with(WorkerPoolOptions fixed) const {
        fixed.overflow = overflow();
        fixed.max_waiting = max_waiting();
        fixed.max_wait = max_wait_.load(std::memory_order_relaxed);
        fixed.stop_grace = stop_grace();
        fixed.spin = spin();
        return fixed;
    }

    Overflow overflow() const noexcept {
        return overflow_.load(std::memory_order_relaxed);
    }
    std::size_t max_waiting() const noexcept {
        return max_waiting_.load(std::memory_order_relaxed);
    }
    std::chrono::nanoseconds stop_grace() const noexcept {
        return stop_grace_.load(std::memory_order_relaxed);
    }
    std::chrono::nanoseconds spin() const noexcept {
        return spin_.load(std::memory_order_relaxed);
    }

    /// When a wait for space that begins now ends: no later than `deadline`, which is an
    /// instant of `now()`, while the wait is measured by the clock.
    template <class Now>
    TimePoint end_of_wait(TimePoint deadline, const Now& now) const noexcept {
        std::chrono::nanoseconds wait = max_wait_.load(std::memory_order_relaxed);
        if (deadline != TimePoint::max()) {
            const TimePoint begin = now();
            if (deadline <= begin) return TimePoint::min();
            if (begin >= TimePoint{}) wait = std::min(wait, deadline - begin);
        }
        return instant_in(wait);
    }

private:
    void set(const WorkerPoolOptions& options) noexcept {
        overflow_.store(options.overflow, std::memory_order_relaxed);
        max_waiting_.store(options.max_waiting, std::memory_order_relaxed);
        max_wait_.store(options.max_wait, std::memory_order_relaxed);
        stop_grace_.store(options.stop_grace, std::memory_order_relaxed);
        spin_.store(options.spin, std::memory_order_relaxed);
    }

    std::atomic<Overflow> overflow_;
    std::atomic<std::size_t> max_waiting_;
    std::atomic<std::chrono::nanoseconds> max_wait_;
    std::atomic<std::chrono::nanoseconds> stop_grace_;
    std::atomic<std::chrono::nanoseconds> spin_;
};

}  // namespace resilience::detail

#endif
