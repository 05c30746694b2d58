// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CIRCUIT_BREAKER_HPP
#define RESILIENCE_CIRCUIT_BREAKER_HPP

#include <resilience/admission.hpp>
#include <resilience/call_window.hpp>
#include <resilience/circuit_breaker_options.hpp>
#include <resilience/circuit_events.hpp>
#include <resilience/circuit_state.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>

#include <resilience/detail/breaker_law.hpp>
#include <resilience/detail/breaker_settings.hpp>
#include <resilience/detail/chosen_window.hpp>
#include <resilience/detail/circuit_permit.hpp>
#include <resilience/detail/failure_run.hpp>
#include <resilience/detail/replacements.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace resilience {

/** Stops calling a peer that does not work, and finds out when it does again.

    While the circuit is closed, calls go through and the breaker remembers how they
   ended. A failure or slow call that brings a ratio or a run of failures to its limit
   opens it: calls are refused for `open_for`. Then it is half-open: at most `probes`
   calls go through, and close it, or open it again. A success never opens a circuit.

    Each call is bracketed by a @ref Permit, which carries the generation it was given in:
    the end of a call that began before the latest transition changes nothing. A permit
    that is destroyed without an outcome gives its probe back; one that is neither used
   nor destroyed is given up when its lease has run out. So no caller can hold a circuit
    half-open, and none is counted that said nothing about the peer.

    All that changes is one 64-bit word, and what the window counts: no timer, no thread,
    no lock. Time is an argument, except of a permit's destructor. Transitions happen when
   a call, or @ref poll, finds that they are due.

    @tparam Observer Sees the events of `circuit_events.hpp`; see @ref NoObserver.
    @tparam Window What remembers the calls; by default the one that the options choose.
    @tparam TimeSource Its `now()` is read when a permit is destroyed, or given up without
        an instant, and never else. May be a reference, such as to a
        `testing::ManualClock`: whoever passes instants of another clock than @ref Clock
        names it here, or by @ref TimedCircuitBreaker.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe; all but @ref reconfigure are lock-free
    if the window is. A closed circuit admits, and any circuit refuses, without writing.

    @par Object lifetimes
    The breaker must outlive its permits. Where that is hard to tell, as in coroutines
    that may be abandoned, use @ref SharedCircuitBreaker.

    @par Example
    @code
    CircuitBreaker breaker{{.failure_ratio = 0.5, .open_for = std::chrono::seconds{5}}};
    auto permit = breaker.try_acquire();
    if (!permit) return busy(permit.retry_after());
    const std::error_code error = send();
    std::move(permit).done(classify(error).verdict);
    @endcode
*/
template <
    class Observer = NoObserver,
    CallWindow Window = detail::ChosenWindow,
    class TimeSource = Clock>
class alignas(64) CircuitBreaker {
public:
    using Permit = detail::CircuitPermit<CircuitBreaker>;

    static constexpr PipelineStage pipeline_stage = PipelineStage::breaker;
    static constexpr Errc refusal = Errc::circuit_open;

    /** Makes a closed circuit.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit CircuitBreaker(
        const CircuitBreakerOptions& options = {},
        Observer observer = {},
        TimeSource time = {}
    ) requires std::constructible_from<Window, const WindowOptions&>
        : CircuitBreaker{
              options,
              std::make_shared<Window>(options.window),
              std::forward<Observer>(observer),
              std::forward<TimeSource>(time)} {}

    /// Makes a closed circuit with a window of the user's; `options.window` is not used.
    CircuitBreaker(
        const CircuitBreakerOptions& options,
        std::shared_ptr<Window> window,
        Observer observer = {},
        TimeSource time = {}
    )
        : observer_(std::forward<Observer>(observer)),
          time_(std::forward<TimeSource>(time)) {
        adopt(std::make_unique<Settings>(options, std::move(window)));
    }

    CircuitBreaker(const CircuitBreaker&) = delete;
    CircuitBreaker& operator=(const CircuitBreaker&) = delete;

    /** Lets a call through, or refuses it. Never waits, never throws.

        @param now The current time, from which the call's duration counts.
        @return Refused, with the time until it would be admitted for certain, unless
            other calls decide otherwise: until the circuit may be probed, until the
            lease of the probes runs out, or until a slow start ends;
            @ref Admission::never if the circuit is forced open.
    */
    [[nodiscard]] Permit try_acquire(TimePoint now = Clock::now()) noexcept {
        return acquire(now, nullptr);
    }

    /// The same with uniform random bits from the caller, which a slow start needs.
    [[nodiscard]] Permit try_acquire(TimePoint now, std::uint64_t random) noexcept {
        return acquire(now, &random);
    }

    /// Tells the state that the next call will meet. Changes nothing.
    CircuitState state(TimePoint now = Clock::now()) const noexcept {
        return Law::poll(load(), detail::nanoseconds_of(now)).state();
    }

    /// Makes an open circuit half-open if its time has come, as the next call would, so
    /// that observers learn of it; returns the state.
    CircuitState poll(TimePoint now = Clock::now()) noexcept {
        const std::int64_t at = detail::nanoseconds_of(now);
        return update([&](Word w) { return Law::poll(w, at); }).state();
    }

    /// Refuses all calls until another command.
    void force_open() noexcept { command(detail::BreakerCommand::force_open); }

    /// Lets all calls through, uncounted, until another command.
    void force_closed() noexcept { command(detail::BreakerCommand::force_closed); }

    /// Lets all calls through and counts them, until another command.
    void metrics_only() noexcept { command(detail::BreakerCommand::metrics_only); }

    /// Closes the circuit and forgets all calls, from any state.
    void reset() noexcept { command(detail::BreakerCommand::reset); }

    /// Tells how the breaker stands. Changes nothing.
    CircuitSnapshot snapshot(TimePoint now = Clock::now()) const noexcept;

    /** Replaces the settings, except `trip_if`, which stays. Does nothing if they mean
        the same as those in force. Calls on their way may still be judged by the old
        ones.

        A closed circuit with another window begins anew; otherwise nothing is forgotten,
        no probe is minted, and times that were set stay.

        What is replaced is kept until the breaker is destroyed, since calls may be
        reading it, so it is refused after a thousand times: less than 400 bytes, and
        the old window if that was changed. A @ref CountWindow is 4 bytes for each
        call that it remembers, a @ref TimeWindow 8 for each bucket and stripe, in
        lines of 64: so up to 33 KiB each time, and 33 MiB in all; by default, 128
        bytes. Options that were in force before, and since the window was last
        changed, cost nothing.

        @throws std::invalid_argument Names the field that is out of range; nothing has
            changed then.
        @throws std::length_error The options were replaced 1,000 times by others than
            were in force before; nothing has changed then.
        @throws std::bad_alloc
    */
    void reconfigure(CircuitBreakerOptions options);

    /// The settings in force.
    CircuitBreakerOptions options() const { return settings().options; }

    Observer& observer() noexcept { return observer_; }

private:
    friend Permit;

    using Word = detail::BreakerWord;
    using Law = detail::BreakerLaw;

    /// Immutable, but for what the window counts.
    struct Settings {
        Settings(const CircuitBreakerOptions& o, std::shared_ptr<Window> w)
            : rule{detail::rule_of(o)},
              law{detail::law_of(o)},
              window{std::move(w)},
              options{o} {}

        bool means_the_same_as(const Settings& other) const {
            return rule == other.rule && law == other.law &&
                   options.window == other.options.window;
        }

        detail::TripRule rule;
        Law law;
        std::shared_ptr<Window> window;
        CircuitBreakerOptions options;
    };

    Word load() const noexcept { return Word{word_.load(std::memory_order_acquire)}; }

    // To be read after the word: whoever sees a new window's generation sees the window.
    const Settings& settings() const noexcept {
        return *settings_.load(std::memory_order_acquire);
    }

    Permit acquire(TimePoint now, const std::uint64_t* random) noexcept {
        const std::int64_t at = detail::nanoseconds_of(now);
        const Word w = load();
        if (Law::is_plain(w)) [[likely]]
            return Permit{*this, w.generation(), at};
        if (const std::int64_t wait = Law::open_wait(w, at); wait > 0) {
            return refuse(w, wait);
        }
        return decide(at, random);
    }

    Permit refuse(Word w, std::int64_t wait) noexcept {
        const std::chrono::nanoseconds retry_after{wait};
        detail::notify(observer_, CircuitRefused{w.state(), retry_after});
        return Permit{retry_after};
    }

    Permit decide(std::int64_t at, const std::uint64_t* random) noexcept;
    void finish(
        detail::Generation generation, std::int64_t start, Verdict verdict, TimePoint now
    ) noexcept;
    void count(
        Word w, const Settings& s, detail::JudgedEnd end, std::int64_t at, TimePoint now
    ) noexcept;
    void trip(Word w, const Settings& s, std::int64_t at, TimePoint now) noexcept;
    bool is_asked_to_trip(const Settings& s, const CallCounts& counts) noexcept;
    void settle_probe(
        detail::Generation generation, detail::JudgedEnd end, std::int64_t at
    ) noexcept;
    void forget(detail::Generation generation, Window& window) noexcept;
    void tell(Word from, Word to, const CallCounts& counts) noexcept;
    void adopt(std::unique_ptr<Settings>&& settings);
    const Settings* kept_like(const Settings& next) const;

    void command(detail::BreakerCommand c) noexcept {
        update([&](Word w) { return Law::on_command(w, c); });
    }

    // Applies `next` until the word is what it was applied to; returns the new word.
    // `next` may judge by settings that are older than the word; what comes after it may
    // not.
    template <class Next>
    Word update(Next next, const CallCounts& counts = {}) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            const Word from{seen};
            const Word to = next(from);
            if (to == from) return to;
            if (word_.compare_exchange_weak(
                    seen, to.bits(), std::memory_order_seq_cst, std::memory_order_relaxed
                )) {
                tell(from, to, counts);
                return to;
            }
        }
    }

    detail::Atomic<std::uint64_t> word_{0};
    detail::Atomic<const Settings*> settings_{nullptr};
    [[no_unique_address]] Observer observer_;
    [[no_unique_address]] TimeSource time_;

    alignas(64) detail::FailureRun run_;

    detail::Mutex mutex_;
    std::vector<std::unique_ptr<Settings>> kept_;
    detail::Replacements replacements_;
};

CircuitBreaker(CircuitBreakerOptions)->CircuitBreaker<>;
template <class Observer>
CircuitBreaker(CircuitBreakerOptions, Observer) -> CircuitBreaker<Observer>;
template <class Observer, class TimeSource>
requires requires(TimeSource& time) { time.now(); }
CircuitBreaker(CircuitBreakerOptions, Observer, TimeSource&&)
    ->CircuitBreaker<Observer, detail::ChosenWindow, TimeSource>;

/// A breaker whose permits read `TimeSource` when they are destroyed, with the window
/// that its options choose: `TimedCircuitBreaker<testing::ManualClock&>`.
template <class TimeSource, class Observer = NoObserver>
using TimedCircuitBreaker = CircuitBreaker<Observer, detail::ChosenWindow, TimeSource>;

}  // namespace resilience

#include <resilience/detail/circuit_breaker_impl.hpp>

#endif
