// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BULKHEAD_CORE_HPP
#define RESILIENCE_DETAIL_BULKHEAD_CORE_HPP

#include <resilience/bulkhead_options.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/bulkhead_law.hpp>
#include <resilience/detail/sync.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <mutex>

namespace resilience::detail {

/** One wait for a slot: part of whoever waits, so that the queue allocates nothing.

    Its owner calls `BulkheadCore::end` before it destroys it.
*/
class BulkheadWaiter {
public:
    BulkheadWaiter(const BulkheadWaiter&) = delete;
    BulkheadWaiter& operator=(const BulkheadWaiter&) = delete;

    /// How the wait ended, if it has.
    WaitEnd end() const noexcept { return end_.load(std::memory_order_acquire); }
    bool ended() const noexcept { return !may_end(end()); }
    /// Whether it stood in the queue.
    bool waited() const noexcept { return waited_; }
    const WaitSpan& span() const noexcept { return span_; }

protected:
    BulkheadWaiter() = default;
    ~BulkheadWaiter() = default;

private:
    friend class BulkheadCore;
    friend class WaiterList;

    /// The bulkhead has ended the wait. Called once at most, under the lock of the queue:
    /// it schedules what is to come and must not call the bulkhead.
    virtual void wake() noexcept = 0;

    WaitSpan span_{};
    Atomic<WaitEnd> end_{WaitEnd::undecided};
    bool queued_ = false;
    bool waited_ = false;
    BulkheadWaiter* older_ = nullptr;
    BulkheadWaiter* newer_ = nullptr;
};

/// Waiters in the order of their coming.
class WaiterList {
public:
    bool empty() const noexcept { return oldest_ == nullptr; }
    BulkheadWaiter& oldest() const noexcept { return *oldest_; }
    BulkheadWaiter& newest() const noexcept { return *newest_; }

    void push(BulkheadWaiter& waiter) noexcept {
        waiter.queued_ = true;
        waiter.waited_ = true;
        waiter.older_ = newest_;
        waiter.newer_ = nullptr;
        (newest_ ? newest_->newer_ : oldest_) = &waiter;
        newest_ = &waiter;
    }

    void remove(BulkheadWaiter& waiter) noexcept {
        waiter.queued_ = false;
        (waiter.older_ ? waiter.older_->newer_ : oldest_) = waiter.newer_;
        (waiter.newer_ ? waiter.newer_->older_ : newest_) = waiter.older_;
    }

private:
    BulkheadWaiter* oldest_ = nullptr;
    BulkheadWaiter* newest_ = nullptr;
};

/// A thread that waits.
class ThreadWaiter final : public BulkheadWaiter {
public:
    ConditionVariable woken;

private:
    void wake() noexcept override { woken.notify_one(); }
};

/// Slots and those who wait for them. Without waiters, one compare-and-swap takes a slot
/// and one gives it back; all else is done under a lock.
class BulkheadCore {
    using Word = BulkheadLaw::Word;

public:
    explicit BulkheadCore(const BulkheadOptions& options)
        : word_(BulkheadLaw::made(checked(options).limit)),
          limits_{{options.limit, options.limit}},
          queue_(options.queue),
          options_(options) {}

    ~BulkheadCore() {
        assert(waiters_.empty() && "a bulkhead must outlive those who wait for it");
        assert(in_use() == 0 && "a bulkhead must outlive its slots");
    }

    /// Takes a slot if there is one.
    bool take() noexcept {
        Word w = word_.load(std::memory_order_relaxed);
        while (BulkheadLaw::has_slot(w)) {
            if (take(w)) return true;
        }
        return false;
    }

    /// Gives a slot back unless somebody waits, who would have to be served.
    bool give_back_unserved() noexcept {
        Word w = word_.load(std::memory_order_relaxed);
        while (!BulkheadLaw::has_waiters(w)) {
            if (word_.compare_exchange_weak(
                    w,
                    BulkheadLaw::given_back(w),
                    std::memory_order_release,
                    std::memory_order_relaxed
                ))
                return true;
        }
        return false;
    }

    /// Gives a slot back, to whoever waits.
    void give_back(TimePoint now) noexcept {
        const std::lock_guard lock{mutex_};
        change(&BulkheadLaw::given_back, now);
    }

    /// Whether a caller would be refused now. Never wrong about a bulkhead at rest.
    bool full() const noexcept {
        const Word w = word_.load(std::memory_order_relaxed);
        return !BulkheadLaw::has_slot(w) &&
               BulkheadLaw::waiters(w) >= queue_.load(std::memory_order_relaxed);
    }

    /** Lets `waiter` take a slot or a place in the queue, unless its wait has been ended
        already, and tells how it ended or that it has not.
    */
    WaitEnd enlist(BulkheadWaiter& waiter, TimePoint deadline, TimePoint now) noexcept {
        const std::lock_guard lock{mutex_};
        waiter.span_ = {now, std::min(deadline, saturated_add(now, options_.max_wait))};
        Word w = word_.load(std::memory_order_relaxed);
        for (;;) {
            if (BulkheadLaw::has_slot(w)) {
                if (!take(w)) continue;
                if (!claim(waiter.end_, WaitEnd::granted)) {
                    change(&BulkheadLaw::given_back, now);
                }
            } else if (waiter.span_.deadline <= now) {
                claim(waiter.end_, WaitEnd::expired);
            } else if (BulkheadLaw::waiters(w) >= options_.queue) {
                claim(waiter.end_, WaitEnd::refused);
            } else if (!waiter.ended()) {
                if (!exchange(w, BulkheadLaw::enlisted(w))) continue;
                if (waiters_.empty()) see_wait(std::chrono::nanoseconds{0}, now);
                waiters_.push(waiter);
            }
            // Nobody else grants it while the lock is held.
            return waiter.end_.load(std::memory_order_relaxed);
        }
    }

    /** Ends a wait in the way that is wanted, unless it has ended already, and tells how
        it ended. From then on nobody else touches `waiter`.

        Whoever finds that it was granted has a slot to give back.
    */
    WaitEnd end(BulkheadWaiter& waiter, WaitEnd wanted) noexcept {
        claim(waiter.end_, wanted);
        // Whoever ended it first may still be about to wake the waiter.
        const std::lock_guard lock{mutex_};
        if (waiter.queued_) {
            waiters_.remove(waiter);
            word_.fetch_sub(BulkheadLaw::kWaiter, std::memory_order_relaxed);
        }
        return waiter.end_.load(std::memory_order_relaxed);
    }

    /// Blocks until the wait is ended by another, or its deadline comes.
    void wait(ThreadWaiter& waiter) {
        std::unique_lock lock{mutex_};
        const auto ended = [&waiter] { return waiter.ended(); };
        if (waiter.span().deadline == TimePoint::max()) {
            waiter.woken.wait(lock, ended);
        } else {
            waiter.woken.wait_until(lock, waiter.span().deadline, ended);
        }
    }

    void reconfigure(const BulkheadOptions& options, TimePoint now) {
        checked(options);
        const std::lock_guard lock{mutex_};
        adopt(options, now);
    }

    void reconfigure(std::uint32_t limit, TimePoint now) {
        const std::lock_guard lock{mutex_};
        BulkheadOptions options = options_;
        options.limit = limit;
        adopt(checked(options), now);
    }

    BulkheadOptions options() const {
        const std::lock_guard lock{mutex_};
        return options_;
    }

    struct Counts {
        std::uint32_t limit;
        std::uint32_t in_use;
        std::uint32_t waiting;
    };

    /// The counts of one moment.
    Counts counts() const noexcept {
        Word w = word_.load(std::memory_order_acquire);
        for (;;) {
            const std::uint16_t seen = BulkheadLaw::generation(w);
            const std::uint32_t limit = limits_[seen % 2].load(std::memory_order_acquire);
            const Word again = word_.load(std::memory_order_acquire);
            if (BulkheadLaw::generation(again) == seen) {
                const std::int64_t used = std::int64_t{limit} - BulkheadLaw::available(w);
                return {limit, static_cast<std::uint32_t>(used), BulkheadLaw::waiters(w)};
            }
            w = again;
        }
    }

    std::uint32_t in_use() const noexcept { return counts().in_use; }

    bool overloaded() const noexcept {
        return overloaded_.load(std::memory_order_relaxed);
    }

private:
    /// Puts `next` in the place of `w`, or reads into `w` what is there instead. Takes no
    /// slot, so it need not see what their last holders wrote; whoever takes one will.
    bool exchange(Word& w, Word next) noexcept {
        return word_.compare_exchange_weak(
            w, next, std::memory_order_release, std::memory_order_relaxed
        );
    }

    bool take(Word& w) noexcept {
        return word_.compare_exchange_weak(
            w, BulkheadLaw::taken(w), std::memory_order_acquire, std::memory_order_relaxed
        );
    }

    void adopt(const BulkheadOptions& options, TimePoint now) noexcept {
        const auto slots = static_cast<std::int32_t>(options.limit) -
                           static_cast<std::int32_t>(options_.limit);
        options_ = options;
        queue_.store(options.queue, std::memory_order_relaxed);
        if (options.discipline == QueueDiscipline::fifo) codel_ = {};
        // A reader takes the limit of the generation that the word names.
        const Word w = word_.load(std::memory_order_relaxed);
        const std::uint16_t next = BulkheadLaw::generation(BulkheadLaw::resized(w, 0));
        limits_[next % 2].store(options.limit, std::memory_order_release);
        change([slots](Word old) { return BulkheadLaw::resized(old, slots); }, now);
        overloaded_.store(codel_.overloaded, std::memory_order_relaxed);
    }

    /// Changes the word and serves whoever waits for what came free.
    template <class Change>
    void change(Change changed, TimePoint now) noexcept {
        Word w = word_.load(std::memory_order_acquire);
        while (!BulkheadLaw::has_waiters(w)) {
            if (exchange(w, changed(w))) return;
        }
        see_wait(now - waiters_.oldest().span_.since, now);
        // While somebody waits, only the holder of the lock changes the word. A store
        // passes on no more than its thread has seen: hence the order of the load.
        word_.store(
            BulkheadLaw::served(changed(w), [this, now] { return serve_next(now); }),
            std::memory_order_release
        );
    }

    /// Takes one from the queue; tells whether it took the slot.
    bool serve_next(TimePoint now) noexcept {
        const Dequeue next = dequeue(
            codel_, options_.target, waiters_.oldest().span_, waiters_.newest().span_, now
        );
        BulkheadWaiter& waiter = next.newest ? waiters_.newest() : waiters_.oldest();
        waiters_.remove(waiter);
        if (!claim(waiter.end_, next.end)) return false;
        waiter.wake();
        return next.end == WaitEnd::granted;
    }

    void see_wait(std::chrono::nanoseconds wait, TimePoint now) noexcept {
        if (options_.discipline != QueueDiscipline::codel) return;
        codel_ = codel_.seen(wait, now, options_.target, options_.interval);
        overloaded_.store(codel_.overloaded, std::memory_order_relaxed);
    }

    alignas(64) Atomic<Word> word_;
    // The limits of the present generation and of the one before or after it.
    std::array<Atomic<std::uint32_t>, 2> limits_;
    Atomic<std::uint32_t> queue_;  // of the options, for who holds no lock
    Atomic<bool> overloaded_{false};

    alignas(64) mutable Mutex mutex_;  // guards what follows
    BulkheadOptions options_;
    WaiterList waiters_;
    CodelState codel_;
};

}  // namespace resilience::detail

#endif
