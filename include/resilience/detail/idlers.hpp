// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_IDLERS_HPP
#define RESILIENCE_DETAIL_IDLERS_HPP

#include <resilience/clock.hpp>

#include <resilience/detail/idle_law.hpp>
#include <resilience/detail/short_lock.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace resilience::detail {

/// Where workers without work sleep, one of them perhaps after a bounded look around; see
/// @ref IdleWord.
class Idlers {
public:
    /// To be called after work was published; wakes a sleeper if nobody searches.
    void work_added() noexcept {
        // One load when everybody is busy or somebody searches already.
        if (!on_work(load()).act) return;
        if (update([](IdleWord w) { return on_work(w); })) wake_one();
    }

    /// To be called by a searcher that found work, before it looks whether there is more.
    /// If there is, it calls @ref work_added.
    void found() noexcept {
        update([](IdleWord w) { return on_found(w); });
    }

    /** Sleeps until there may be work. Who finds some then looks whether there is more,
        and calls @ref work_added if so.

        @param searching Whether this worker searched.
        @param spin How long it looks for work before it sleeps, unless another one does.
        @param has_work Tells whether there is work, or no more will come.
        @return Whether this worker searches now.
    */
    template <class HasWork>
    bool rest(
        bool searching, std::chrono::nanoseconds spin, const HasWork& has_work
    ) noexcept {
        if (spin.count() > 0) {
            searching = searching || update([](IdleWord w) { return on_search(w); });
            if (searching && look_around(spin, has_work)) return true;
        }
        update([searching](IdleWord w) { return on_rest(w, searching); });
        if (has_work() && update([](IdleWord w) { return on_stay(w); })) return false;
        sleep();
        return true;
    }

    /// Wakes everybody; nobody sleeps from now on.
    void wake_all() noexcept {
        {
            const std::lock_guard lock{mutex_};
            open_ = true;
        }
        waking_.notify_all();
    }

private:
    IdleWord load() const noexcept { return {word_.load(std::memory_order_seq_cst)}; }

    template <class Transition>
    bool update(const Transition& transition) noexcept {
        IdleWord seen = load();
        for (;;) {
            const IdleStep step = transition(seen);
            if (step.next == seen) return step.act;
            if (word_.compare_exchange_weak(
                    seen.bits, step.next.bits, std::memory_order_seq_cst
                )) {
                return step.act;
            }
        }
    }

    template <class HasWork>
    static bool look_around(
        std::chrono::nanoseconds spin, const HasWork& has_work
    ) noexcept {
        const TimePoint end = Clock::now() + spin;
        do {
            for (int i = 0; i < 16; ++i) {
                if (has_work()) return true;
                pause_briefly();
            }
        } while (Clock::now() < end);
        return false;
    }

    void wake_one() noexcept {
        {
            const std::lock_guard lock{mutex_};
            ++wake_ups_;
        }
        waking_.notify_one();
    }

    void sleep() noexcept {
        std::unique_lock lock{mutex_};
        waking_.wait(lock, [this] { return open_ || wake_ups_ > 0; });
        if (wake_ups_ > 0) --wake_ups_;
    }

    // A wake-up needs both: they share a cache line.
    alignas(64) Atomic<std::uint32_t> word_{0};
    std::uint32_t wake_ups_ = 0;  // given and not yet taken; guarded by mutex_
    Mutex mutex_;
    bool open_ = false;  // guarded by mutex_
    ConditionVariable waking_;
};

}  // namespace resilience::detail

#endif
