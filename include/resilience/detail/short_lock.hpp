// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SHORT_LOCK_HPP
#define RESILIENCE_DETAIL_SHORT_LOCK_HPP

#include <resilience/detail/sync.hpp>

#include <atomic>
#include <cstdint>
#include <thread>

namespace resilience::detail {

/// Tells the processor that this thread spins.
inline void pause_briefly() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#else
    std::this_thread::yield();
#endif
}

/** A mutex for sections of some nanoseconds: a contender looks again a few times before
    it sleeps, because a system call costs far more than the section.
*/
class ShortLock {
public:
    void lock() noexcept {
        std::uint32_t seen = free;
        if (!state_.compare_exchange_strong(
                seen, held, std::memory_order_acquire, std::memory_order_relaxed
            )) {
            lock_contended();
        }
    }

    void unlock() noexcept {
        if (state_.exchange(free, std::memory_order_release) == awaited) {
            state_.notify_one();
        }
    }

private:
    static constexpr std::uint32_t free = 0;
    static constexpr std::uint32_t held = 1;
    static constexpr std::uint32_t awaited = 2;  // held, and somebody may sleep

    void lock_contended() noexcept {
        for (int i = 0; i < contended_looks; ++i) {
            std::uint32_t seen = state_.load(std::memory_order_relaxed);
            if (seen == free &&
                state_.compare_exchange_weak(
                    seen, held, std::memory_order_acquire, std::memory_order_relaxed
                )) {
                return;
            }
            pause_briefly();
        }
        while (state_.exchange(awaited, std::memory_order_acquire) != free) {
            state_.wait(awaited, std::memory_order_relaxed);
        }
    }

    Atomic<std::uint32_t> state_{free};
};

}  // namespace resilience::detail

#endif
