// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BULKHEAD_LAW_HPP
#define RESILIENCE_DETAIL_BULKHEAD_LAW_HPP

#include <resilience/clock.hpp>

#include <resilience/detail/codel_law.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace resilience::detail {

/// How a wait for a slot ended.
enum class WaitEnd : std::uint8_t {
    /// It has not.
    undecided,
    /// With a slot, which is the waiter's to give back.
    granted,
    /// The waiter gave up.
    cancelled,
    /// The deadline came first.
    expired,
    /// The queue was overloaded.
    shed,
    /// It did not begin: there was no room in the queue.
    refused
};

/** What may happen to the word of a bulkhead, `[available:24|waiters:24|generation:16]`.

    `available` is signed: below zero, as many slots are to be taken out of use when they
    come back. Whenever the lock of the queue is free, either nobody waits or nothing is
    available; so while somebody waits, nobody changes the word without the lock.

    The functions are pure; the bulkhead and the exploration of its states call the same.
*/
struct BulkheadLaw {
    using Word = std::uint64_t;

    static constexpr std::uint32_t kMostSlots = (1u << 23) - 1;
    static constexpr std::uint32_t kMostWaiters = (1u << 24) - 1;
    static constexpr Word kSlot = Word{1} << 40;
    static constexpr Word kWaiter = Word{1} << 16;

    static constexpr Word made(std::uint32_t limit) noexcept { return limit * kSlot; }

    static constexpr std::int32_t available(Word w) noexcept {
        return static_cast<std::int32_t>(static_cast<std::int64_t>(w) >> 40);
    }
    static constexpr std::uint32_t waiters(Word w) noexcept {
        return static_cast<std::uint32_t>(w >> 16) & kMostWaiters;
    }
    static constexpr std::uint16_t generation(Word w) noexcept {
        return static_cast<std::uint16_t>(w);
    }

    /// Whether a slot can be taken.
    static constexpr bool has_slot(Word w) noexcept {
        return static_cast<std::int64_t>(w) >= static_cast<std::int64_t>(kSlot);
    }
    static constexpr bool has_waiters(Word w) noexcept { return waiters(w) != 0; }

    static constexpr Word taken(Word w) noexcept { return w - kSlot; }
    static constexpr Word given_back(Word w) noexcept { return w + kSlot; }
    static constexpr Word enlisted(Word w) noexcept { return w + kWaiter; }
    static constexpr Word dismissed(Word w) noexcept { return w - kWaiter; }

    /// Adds `slots` to the limit, or takes them from it; a new generation begins.
    static constexpr Word resized(Word w, std::int32_t slots) noexcept {
        const Word changed = w + static_cast<Word>(std::int64_t{slots}) * kSlot;
        return (changed & ~Word{0xffff}) | static_cast<std::uint16_t>(changed + 1);
    }

    /// Hands free slots to those who wait. `next` takes one of them from the queue and
    /// tells whether it took the slot.
    template <class Next>
    static constexpr Word served(Word w, Next next) {
        while (has_slot(w) && has_waiters(w)) {
            w = dismissed(w);
            if (next()) w = taken(w);
        }
        return w;
    }
};

/// Whether a wait that was found so can still be ended.
constexpr bool may_end(WaitEnd found) noexcept { return found == WaitEnd::undecided; }

/// Whether whoever ends its wait must give a slot back: it wanted to leave, and lost
/// against a grant.
constexpr bool must_give_back(WaitEnd wanted, WaitEnd found) noexcept {
    return wanted == WaitEnd::cancelled && found == WaitEnd::granted;
}

/// Ends a wait unless it has ended; exactly one of all who try succeeds. Tells nothing of
/// who did: to see what came with a grant, read the end of the wait.
inline bool claim(Atomic<WaitEnd>& wait, WaitEnd end) noexcept {
    WaitEnd found = wait.load(std::memory_order_relaxed);
    while (may_end(found)) {
        if (wait.compare_exchange_weak(
                found, end, std::memory_order_release, std::memory_order_relaxed
            ))
            return true;
    }
    return false;
}

/// Since when, and until when, somebody waits.
struct WaitSpan {
    TimePoint since;
    TimePoint deadline;
};

/// Who is taken from the queue next, and how its wait ends.
struct Dequeue {
    bool newest;
    WaitEnd end;

    friend constexpr bool operator==(const Dequeue&, const Dequeue&) = default;
};

/// Decides who of a queue is next for a free slot.
constexpr Dequeue dequeue(
    const CodelState& codel,
    std::chrono::nanoseconds target,
    const WaitSpan& oldest,
    const WaitSpan& newest,
    TimePoint now
) noexcept {
    if (oldest.deadline <= now) return {false, WaitEnd::expired};
    if (codel.sheds(now - oldest.since, target)) return {false, WaitEnd::shed};
    if (!codel.overloaded) return {false, WaitEnd::granted};
    return {true, newest.deadline <= now ? WaitEnd::expired : WaitEnd::granted};
}

}  // namespace resilience::detail

#endif
