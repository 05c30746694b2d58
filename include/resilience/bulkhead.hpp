// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BULKHEAD_HPP
#define RESILIENCE_BULKHEAD_HPP

#include <resilience/bulkhead_options.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>

#include <resilience/detail/bulkhead_core.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

namespace resilience {

/// What is in use of a @ref Bulkhead at one instant.
struct BulkheadSnapshot {
    static constexpr const char* kind = "bulkhead";

    /// Calls in flight at most.
    std::uint32_t limit = 0;
    /// Slots taken; more than the limit for a while after it was lowered.
    std::uint32_t in_use = 0;
    /// Callers that wait for a slot.
    std::uint32_t waiting = 0;
    /// Whether the queue sheds load.
    bool overloaded = false;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const BulkheadSnapshot& s, Visit&& visit) {
    visit("limit", s.limit);
    visit("in_use", s.in_use);
    visit("waiting", s.waiting);
    visit("overloaded", s.overloaded);
}

/// A call was refused at once: every slot was taken, and nobody more may wait.
struct BulkheadRefused {};

/// A call waits for a slot.
struct BulkheadQueued {
    /// Callers that wait now.
    std::uint32_t waiting = 0;
};

/// A call that waited does so no longer.
struct BulkheadWaited {
    /// Empty when it got its slot; else why it did not: @ref Errc::bulkhead_full when its
    /// time was over, @ref Errc::shed, or @ref Errc::cancelled.
    std::error_code error;
    /// For how long it waited.
    std::chrono::nanoseconds waited{0};
};

/// A slot was destroyed by a holder that had not said how its call ended.
struct BulkheadAbandoned {};

/** Limits how many calls are in flight, so that one slow peer cannot take every thread,
    connection or megabyte.

    A call takes a slot and holds it until its end. When every slot is taken, a bounded
    number of callers may wait, each for a bounded time; the rest are refused. A slot that
    comes back goes to whoever waits, and to nobody who comes later. Those whose time is
    over are passed by. A slot that is granted while its waiter gives up comes back.

    What a refusal says of the peer is nothing: no other policy counts it.

    @tparam Observer Sees the events `BulkheadRefused`, `BulkheadQueued`, `BulkheadWaited`
        and `BulkheadAbandoned`; see @ref NoObserver.
    @tparam TimeSource Its `now()` is read when somebody waits, and never else. May be a
        reference, such as to a `testing::ManualClock`.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe. As long as nobody waits, taking and
    giving back are lock-free, and a refusal writes nothing. Nothing allocates.

    @par Object lifetimes
    A bulkhead must outlive its slots and those who wait for them.

    @par Example
    @code
    Bulkhead bulkhead{{.limit = 8}};
    auto slot = bulkhead.acquire();
    if (!slot) return busy(slot.error());
    call_the_peer();
    @endcode
*/
template <class Observer = NoObserver, class TimeSource = Clock>
class Bulkhead {
public:
    class Slot;
    using Permit = Slot;

    static constexpr PipelineStage pipeline_stage = PipelineStage::bulkhead;

    /// Makes a bulkhead whose slots are all free.
    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    explicit Bulkhead(
        const BulkheadOptions& options = {}, Observer observer = {}, TimeSource time = {}
    )
        : core_(options),
          observer_(std::forward<Observer>(observer)),
          time_(std::forward<TimeSource>(time)) {}

    Bulkhead(const Bulkhead&) = delete;
    Bulkhead& operator=(const Bulkhead&) = delete;

    /// Takes a slot if one is free and nobody waits for it. Never waits.
    Slot try_acquire() noexcept {
        if (core_.take()) return Slot{*this};
        return refuse();
    }

    /// The same; no instant makes a difference.
    Slot try_acquire(TimePoint) noexcept { return try_acquire(); }

    /** Takes a slot, and blocks the calling thread until there is one.

        @param deadline No wait is longer than `BulkheadOptions::max_wait`; one that would
            end after this instant is cut short.
        @param stop A request to stop ends the wait.
        @return A slot, or the reason why there is none: see @ref Slot::error.
    */
    Slot acquire(TimePoint deadline = TimePoint::max(), std::stop_token stop = {}) {
        if (auto slot = try_acquire_or_wait()) return *std::move(slot);
        detail::ThreadWaiter waiter;
        if (detail::may_end(enlist(waiter, deadline, time_.now()))) {
            const auto give_up = [this, &waiter] {
                core_.end(waiter, detail::WaitEnd::cancelled);
                waiter.woken.notify_one();
            };
            const std::stop_callback on_stop{stop, give_up};
            core_.wait(waiter);
        }
        const bool stopped = stop.stop_requested();
        return settle(
            waiter,
            stopped ? detail::WaitEnd::cancelled : detail::WaitEnd::expired,
            time_.now()
        );
    }

    /// What is in use.
    BulkheadSnapshot snapshot(TimePoint = {}) const noexcept {
        const auto counts = core_.counts();
        return {counts.limit, counts.in_use, counts.waiting, core_.overloaded()};
    }

    BulkheadOptions options() const { return core_.options(); }

    /** Changes the options of a bulkhead in use.

        Calls in flight keep their slots: after the limit was lowered, nobody gets one
        until so many have come back. Who waits already waits on, as long as it might
        before.
        @throws std::invalid_argument Names the field that is out of range; then nothing
            is changed.
    */
    void reconfigure(const BulkheadOptions& options) {
        core_.reconfigure(options, time_.now());
    }

    /// Changes the limit alone.
    void reconfigure(std::uint32_t limit) { core_.reconfigure(limit, time_.now()); }

    /// Takes a slot, or refuses if nobody more may wait, or else yields nothing. For
    /// shells.
    std::optional<Slot> try_acquire_or_wait() noexcept {
        if (core_.take()) return Slot{*this};
        if (core_.full()) return refuse();
        return std::nullopt;
    }

    /// Begins a wait, and tells how it ended if it did not even begin. For shells: the
    /// waiter is settled exactly once after this, whatever it returns.
    detail::WaitEnd enlist(
        detail::BulkheadWaiter& waiter, TimePoint deadline, TimePoint now
    ) noexcept {
        const detail::WaitEnd end = core_.enlist(waiter, deadline, now);
        if (detail::may_end(end)) {
            detail::notify(observer_, BulkheadQueued{core_.counts().waiting});
        }
        return end;
    }

    /// Ends a wait in the way that is `wanted` unless it has ended, and tells whether it
    /// ended so. For shells: the waiter may be woken no more after this.
    bool end(detail::BulkheadWaiter& waiter, detail::WaitEnd wanted) noexcept {
        return core_.end(waiter, wanted) == wanted;
    }

    /// Ends a wait in the way that is `wanted` unless it has ended, and yields its slot.
    /// Who wanted to cancel gets none, and if one had been granted it is given back. For
    /// shells.
    Slot settle(
        detail::BulkheadWaiter& waiter, detail::WaitEnd wanted, TimePoint now
    ) noexcept {
        detail::WaitEnd found = core_.end(waiter, wanted);
        if (detail::must_give_back(wanted, found)) {
            give_back(now);
            found = detail::WaitEnd::cancelled;
        }
        Slot slot = found == detail::WaitEnd::granted ? Slot{*this} : Slot{found};
        if (waiter.waited()) {
            const std::chrono::nanoseconds waited = now - waiter.span().since;
            detail::notify(observer_, BulkheadWaited{slot.error(), waited});
        } else if (!slot) {
            detail::notify(observer_, BulkheadRefused{});
        }
        return slot;
    }

    Observer& observer() noexcept { return observer_; }

private:
    Slot refuse() noexcept {
        detail::notify(observer_, BulkheadRefused{});
        return Slot{detail::WaitEnd::refused};
    }

    void give_back() noexcept {
        if (!core_.give_back_unserved()) core_.give_back(time_.now());
    }
    void give_back(TimePoint now) noexcept {
        if (!core_.give_back_unserved()) core_.give_back(now);
    }

    detail::BulkheadCore core_;
    [[no_unique_address]] Observer observer_;
    [[no_unique_address]] TimeSource time_;
};

/** The right to one call, or the reason why there is none.

    Moves; gives the slot back exactly once, at the latest when it is destroyed.
*/
template <class Observer, class TimeSource>
class [[nodiscard]] Bulkhead<Observer, TimeSource>::Slot {
public:
    Slot(Slot&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), end_(other.end_) {}

    Slot& operator=(Slot&& other) noexcept {
        if (this != &other) {
            abandon();
            owner_ = std::exchange(other.owner_, nullptr);
            end_ = other.end_;
        }
        return *this;
    }

    ~Slot() { abandon(); }

    /// Whether the call may go ahead.
    explicit operator bool() const noexcept { return owner_ != nullptr; }

    /** Why there is no slot; empty if there is one, or was one.

        @par Errors
        - @ref Errc::bulkhead_full No slot was free, and none came free in time.
        - @ref Errc::shed The wait was given up because the queue is overloaded.
        - @ref Errc::cancelled The caller gave up.
    */
    std::error_code error() const noexcept {
        switch (end_) {
            case detail::WaitEnd::undecided:
            case detail::WaitEnd::granted:
                return {};
            case detail::WaitEnd::cancelled:
                return Errc::cancelled;
            case detail::WaitEnd::shed:
                return Errc::shed;
            case detail::WaitEnd::expired:
            case detail::WaitEnd::refused:
                break;
        }
        return Errc::bulkhead_full;
    }

    /// Zero: when a slot comes free is not known.
    std::chrono::nanoseconds retry_after() const noexcept { return {}; }

    /// Gives the slot back at the end of the call, which ended in any way.
    void done(Verdict = Verdict::success) && noexcept {
        if (auto* owner = std::exchange(owner_, nullptr)) owner->give_back();
    }

    /// The same, and whoever waits is served as of `now`.
    void done(Verdict, TimePoint now) && noexcept {
        if (auto* owner = std::exchange(owner_, nullptr)) owner->give_back(now);
    }

private:
    friend Bulkhead;

    explicit Slot(Bulkhead& owner) noexcept
        : owner_(&owner), end_(detail::WaitEnd::granted) {}
    explicit Slot(detail::WaitEnd end) noexcept : end_(end) {}

    void abandon() noexcept {
        if (auto* owner = std::exchange(owner_, nullptr)) {
            owner->give_back();
            detail::notify(owner->observer_, BulkheadAbandoned{});
        }
    }

    Bulkhead* owner_ = nullptr;
    detail::WaitEnd end_;
};

}  // namespace resilience

#endif
