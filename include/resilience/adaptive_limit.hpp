// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ADAPTIVE_LIMIT_HPP
#define RESILIENCE_ADAPTIVE_LIMIT_HPP

#include <resilience/adaptive_limit_options.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>

#include <resilience/detail/adaptive_law.hpp>
#include <resilience/detail/limit_sampler.hpp>
#include <resilience/detail/saturated_add.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <utility>

namespace resilience {

/// How an @ref AdaptiveLimit stands at one instant.
struct AdaptiveLimitSnapshot {
    static constexpr const char* kind = "adaptive_limit";

    /// Calls that may be in flight now.
    std::uint32_t limit = 0;
    /// Calls in flight; more than the limit for a while after it sank.
    std::uint32_t in_flight = 0;
    /// Duration of a call without load; zero as long as it is not known.
    std::chrono::nanoseconds baseline{0};
    /// Whether it is being measured, under a limit of its own.
    bool probing = false;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const AdaptiveLimitSnapshot& s, Visit&& visit) {
    visit("limit", s.limit);
    visit("in_flight", s.in_flight);
    visit("baseline_seconds", std::chrono::duration<double>(s.baseline).count());
    visit("probing", s.probing);
}

/// A call was refused: as many as may be are in flight.
struct LimitRefused {
    std::uint32_t limit = 0;
};

/// The limit has changed.
struct LimitChanged {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    /// See @ref AdaptiveLimitSnapshot::baseline.
    std::chrono::nanoseconds baseline{0};
    /// See @ref AdaptiveLimitSnapshot::probing.
    bool probing = false;
};

/// A permit was destroyed by a holder that had not said how its call ended.
struct LimitAbandoned {};

/** Limits how many calls are in flight to what the peer bears, and finds out how many
    that are.

    The limit grows while calls are as fast as without load and at least half of it is in
    use; it sinks when they become slower, or are dropped: a transient or throttled
    verdict, or a call that took as long as `AdaptiveLimitOptions::timeout`. How a call
    that failed for good, was ignored or was abandoned ended says nothing, and nothing is
    learned from how long it took.

    How fast calls are without load is measured when the first calls have ended, and again
    and again with few calls in flight: otherwise the calls that wait for each other would
    slowly pass for the normal case.

    @tparam Observer Sees the events `LimitRefused`, `LimitChanged` and `LimitAbandoned`;
        see @ref NoObserver.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe. A call takes one compare-and-swap at its
    begin and a few atomic operations at its end; nobody ever waits for a lock, except in
    @ref reconfigure and @ref options. Nothing allocates.

    @par Object lifetimes
    A limit must outlive its permits.

    @par Example
    @code
    AdaptiveLimit limit{{.initial = 10, .ceiling = 200}};
    auto permit = limit.try_acquire();
    if (!permit) return busy(permit.error());
    const std::error_code error = call_the_peer();
    std::move(permit).done(classify(error).verdict);
    @endcode
*/
template <class Observer = NoObserver>
class AdaptiveLimit {
public:
    class Permit;

    static constexpr PipelineStage pipeline_stage = PipelineStage::bulkhead;
    static constexpr Errc refusal = Errc::bulkhead_full;

    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    explicit AdaptiveLimit(
        const AdaptiveLimitOptions& options = {},
        Observer observer = {},
        TimePoint now = Clock::now()
    )
        : law_{detail::checked(options)},
          state_(law_.first(now)),
          observer_(std::forward<Observer>(observer)) {
        word_.store(law_.limit(state_));
        publish(now);
    }

    AdaptiveLimit(const AdaptiveLimit&) = delete;
    AdaptiveLimit& operator=(const AdaptiveLimit&) = delete;

    ~AdaptiveLimit() {
        assert(in_flight(word_.load()) == 0 && "a limit must outlive its permits");
    }

    /** Lets a call through, or refuses it. Never waits, never throws.

        @param now The current time, from which the duration of the call counts.
    */
    Permit try_acquire(TimePoint now = Clock::now()) noexcept {
        if (now >= stale_.load(std::memory_order_relaxed)) learn(now);
        Word w = word_.load(std::memory_order_relaxed);
        while (in_flight(w) < limit(w)) {
            if (word_.compare_exchange_weak(
                    w, w + kCall, std::memory_order_acquire, std::memory_order_relaxed
                ))
                return Permit{this, now};
        }
        detail::notify(observer_, LimitRefused{limit(w)});
        return Permit{nullptr, now};
    }

    AdaptiveLimitSnapshot snapshot(TimePoint = {}) const noexcept {
        const Word w = word_.load(std::memory_order_relaxed);
        return {
            limit(w),
            in_flight(w),
            baseline_.load(std::memory_order_relaxed),
            probing_.load(std::memory_order_relaxed)};
    }

    AdaptiveLimitOptions options() const {
        const std::lock_guard lock{mutex_};
        return law_.options;
    }

    /** Changes the options of a limit in use. What it has learned stays; calls in flight
        go on, and no permit is minted.

        @throws std::invalid_argument Names the field that is out of range; then nothing
            is changed.
    */
    void reconfigure(const AdaptiveLimitOptions& options, TimePoint now = Clock::now()) {
        detail::checked(options);
        LimitChanged changed;
        {
            const std::lock_guard lock{mutex_};
            law_.options = options;
            changed = adopt(law_.adopted(state_, now), now);
        }
        tell(changed);
    }

    Observer& observer() noexcept { return observer_; }

private:
    using Word = std::uint64_t;  // `[in flight:32|limit:32]`
    static constexpr Word kCall = Word{1} << 32;

    static std::uint32_t in_flight(Word w) noexcept {
        return static_cast<std::uint32_t>(w >> 32);
    }
    static std::uint32_t limit(Word w) noexcept { return static_cast<std::uint32_t>(w); }

    void finish(TimePoint start, Verdict verdict, TimePoint now) noexcept {
        const Word before = word_.fetch_sub(kCall, std::memory_order_release);
        const std::chrono::nanoseconds took = detail::saturated_span(start, now);
        const auto sample =
            detail::sample_of(verdict, took, timeout_.load(std::memory_order_relaxed));
        // What began under another load than the one to be measured is no measure of it.
        const bool counts = start >= counted_from_.load(std::memory_order_relaxed);
        if (sample != detail::LimitSample::none && counts) {
            const auto longest = longest_.load(std::memory_order_relaxed);
            sampler_.add(sample, took, longest, in_flight(before));
        }
        const bool filled = now >= due_.load(std::memory_order_relaxed) &&
                            sampler_.ends() >= enough_.load(std::memory_order_relaxed);
        if (filled || now >= stale_.load(std::memory_order_relaxed)) learn(now);
    }

    void abandon() noexcept {
        word_.fetch_sub(kCall, std::memory_order_release);
        detail::notify(observer_, LimitAbandoned{});
    }

    /// Closes the window if it is complete and nobody else is doing so.
    void learn(TimePoint now) noexcept {
        LimitChanged changed;
        {
            const std::unique_lock lock{mutex_, std::try_to_lock};
            if (!lock) return;
            const detail::WindowSpan span{due_, stale_, enough_};
            const detail::LimitWindow seen = sampler_.so_far();
            const std::uint32_t calls = in_flight(word_.load());
            const auto fate = law_.fate(state_, span, seen, now);
            if (law_.is_held_up(state_, span, seen, calls, now)) {
                changed = adopt(law_.after_hold_up(state_, span, calls, now), now);
            } else if (fate != detail::WindowFate::goes_on) {
                changed = adopt(after(fate, sampler_.take(), now), now);
            } else if (now >= span.stale) {
                stale_.store(law_.stale_from(now));
            }
        }
        tell(changed);
    }

    detail::AdaptiveState after(
        detail::WindowFate fate, const detail::LimitWindow& window, TimePoint now
    ) const noexcept {
        const bool counts = fate == detail::WindowFate::counts;
        return counts ? law_.after(state_, window, now) : law_.after_silence(state_, now);
    }

    LimitChanged adopt(const detail::AdaptiveState& next, TimePoint now) noexcept {
        const bool begins = next.probing && !state_.probing;
        if (begins) counted_from_.store(now, std::memory_order_relaxed);
        state_ = next;
        publish(now);
        const std::uint32_t to = law_.limit(state_);
        Word w = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(
            w, (w & ~(kCall - 1)) | to, std::memory_order_relaxed
        )) {
        }
        return {limit(w), to, state_.baseline, state_.probing};
    }

    void publish(TimePoint now) noexcept {
        const detail::WindowSpan span = law_.window(state_, now);
        due_.store(span.due, std::memory_order_relaxed);
        stale_.store(span.stale, std::memory_order_relaxed);
        enough_.store(span.enough, std::memory_order_relaxed);
        timeout_.store(law_.options.timeout, std::memory_order_relaxed);
        longest_.store(law_.longest(state_), std::memory_order_relaxed);
        baseline_.store(state_.baseline, std::memory_order_relaxed);
        probing_.store(state_.probing, std::memory_order_relaxed);
    }

    void tell(const LimitChanged& changed) noexcept {
        if (changed.from != changed.to) detail::notify(observer_, changed);
    }

    alignas(64) detail::Atomic<Word> word_;

    // What the end of a call looks at; of the options and the state.
    alignas(64) detail::Atomic<TimePoint> due_{};
    detail::Atomic<TimePoint> stale_{};
    detail::Atomic<TimePoint> counted_from_{TimePoint::min()};
    detail::Atomic<std::chrono::nanoseconds> timeout_{};
    detail::Atomic<std::chrono::nanoseconds> longest_{};
    detail::Atomic<std::chrono::nanoseconds> baseline_{};
    detail::Atomic<std::uint32_t> enough_{0};
    detail::Atomic<bool> probing_{false};

    alignas(64) detail::LimitSampler sampler_;

    mutable detail::Mutex mutex_;  // guards the law and the state
    detail::AdaptiveLaw law_;
    detail::AdaptiveState state_;
    [[no_unique_address]] Observer observer_;
};

/** The right to one call, or the refusal of it.

    Moves. Destroyed without an outcome, it counts as abandoned: the call is over, and
    nothing is learned from it.
*/
template <class Observer>
class [[nodiscard]] AdaptiveLimit<Observer>::Permit {
public:
    Permit(Permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          start_(other.start_),
          granted_(other.granted_) {}

    Permit& operator=(Permit&& other) noexcept {
        if (this != &other) {
            give_up();
            owner_ = std::exchange(other.owner_, nullptr);
            start_ = other.start_;
            granted_ = other.granted_;
        }
        return *this;
    }

    ~Permit() { give_up(); }

    /// Whether the call may go ahead.
    explicit operator bool() const noexcept { return owner_ != nullptr; }

    /// @ref Errc::bulkhead_full if the call was refused.
    std::error_code error() const noexcept {
        return granted_ ? std::error_code{} : Errc::bulkhead_full;
    }

    /// Zero: when another call may go ahead is not known.
    std::chrono::nanoseconds retry_after() const noexcept { return {}; }

    /// The call waited for a turn on this side, for so long, not negative: that does not
    /// count as time that it took.
    void waited(std::chrono::nanoseconds time) noexcept {
        start_ = detail::saturated_add(start_, time);
    }

    /// The call is over, and ended with this verdict.
    void done(Verdict verdict, TimePoint now = Clock::now()) && noexcept {
        if (auto* owner = std::exchange(owner_, nullptr)) {
            owner->finish(start_, verdict, now);
        }
    }

private:
    friend AdaptiveLimit;

    Permit(AdaptiveLimit* owner, TimePoint start) noexcept
        : owner_(owner), start_(start), granted_(owner != nullptr) {}

    void give_up() noexcept {
        if (auto* owner = std::exchange(owner_, nullptr)) owner->abandon();
    }

    AdaptiveLimit* owner_;
    TimePoint start_;
    bool granted_;
};

}  // namespace resilience

#endif
