// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CIRCUIT_BREAKER_IMPL_HPP
#define RESILIENCE_DETAIL_CIRCUIT_BREAKER_IMPL_HPP

// The definitions that circuit_breaker.hpp leaves out.
#include <resilience/circuit_breaker.hpp>
#include <resilience/random.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>

namespace resilience {
namespace detail {

// A slow start that cannot get random bits admits all.
inline std::uint64_t slow_start_bits() noexcept {
    try {
        return thread_random()();
    } catch (...) {
        return 0;
    }
}

}  // namespace detail

template <class Observer, CallWindow Window, class TimeSource>
[[gnu::noinline]] auto CircuitBreaker<Observer, Window, TimeSource>::decide(
    std::int64_t at, const std::uint64_t* random
) noexcept -> Permit {
    // Orders nothing: the settings may be older than the word, as reconfigure() tells,
    // and an exchange carries on what those before it have released.
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    for (;;) {
        const Word from{seen};
        std::uint64_t bits = 0;
        if (random != nullptr) {
            bits = *random;
        } else if (from.state() == CircuitState::closed) {
            bits = detail::slow_start_bits();
        }
        const detail::BreakerAnswer answer = settings().law.on_acquire(from, at, bits);
        if (!answer.admitted) return refuse(from, answer.wait);
        if (answer.next == from) return Permit{*this, from.generation(), at};
        if (!word_.compare_exchange_weak(
                seen, answer.next.bits(), std::memory_order_relaxed
            )) {
            continue;
        }
        Permit permit{*this, answer.next.generation(), at};
        tell(from, answer.next, {});
        if (answer.next.state() == CircuitState::half_open) {
            detail::notify(observer_, CircuitProbe{answer.next.generation()});
        }
        return permit;
    }
}

template <class Observer, CallWindow Window, class TimeSource>
void CircuitBreaker<Observer, Window, TimeSource>::finish(
    detail::Generation generation, std::int64_t start, Verdict verdict, TimePoint now
) noexcept {
    const Word w = load();
    const Settings& s = settings();
    const std::int64_t at = detail::nanoseconds_of(now);
    const detail::JudgedEnd end = s.rule.judge(verdict, at - start);
    if (w.generation() != generation) {
        detail::notify(observer_, CircuitStale{generation, end.verdict});
        return;
    }
    if (w.state() == CircuitState::half_open) {
        settle_probe(generation, end, at);
    } else if (end.counts()) {
        count(w, s, end, at, now);
    } else if (end.verdict == Verdict::abandoned) {
        detail::notify(observer_, CircuitAbandoned{w.state(), generation});
    }
}

template <class Observer, CallWindow Window, class TimeSource>
void CircuitBreaker<Observer, Window, TimeSource>::count(
    Word w, const Settings& s, detail::JudgedEnd end, std::int64_t at, TimePoint now
) noexcept {
    if (w.state() != CircuitState::forced_closed) {
        const bool failure = is_failure(end.verdict);
        run_.record(w.generation(), failure);
        s.window->record(w.generation(), {failure, end.slow}, now);
        // Whoever ended the generation meanwhile may have forgotten its calls before this
        // one was there. One that stays could be taken for later than others when the
        // numbers have come round. Of the two at least one sees the other: all four
        // accesses are sequentially consistent.
        if (Word{word_.load()}.generation() != w.generation()) {
            forget(w.generation(), *s.window);
        }
        if (w.state() == CircuitState::closed && (failure || end.slow)) {
            trip(w, s, at, now);
        }
    }
    detail::notify(observer_, CircuitOutcome{w.state(), end.verdict, end.slow});
}

template <class Observer, CallWindow Window, class TimeSource>
[[gnu::noinline]] void CircuitBreaker<Observer, Window, TimeSource>::trip(
    Word w, const Settings& s, std::int64_t at, TimePoint now
) noexcept {
    CallCounts counts = s.window->counts(w.generation(), now);
    counts.consecutive_failures = run_.length(w.generation());
    if (!s.rule.trips(counts) && !is_asked_to_trip(s, counts)) return;
    update([&](Word from) { return s.law.on_trip(from, w.generation(), at); }, counts);
}

template <class Observer, CallWindow Window, class TimeSource>
bool CircuitBreaker<Observer, Window, TimeSource>::is_asked_to_trip(
    const Settings& s, const CallCounts& counts
) noexcept {
    try {
        return s.options.trip_if && s.options.trip_if(counts);
    } catch (...) {
        detail::notify(observer_, CircuitTripThrew{counts});
        return false;
    }
}

template <class Observer, CallWindow Window, class TimeSource>
[[gnu::noinline]] void CircuitBreaker<Observer, Window, TimeSource>::settle_probe(
    detail::Generation generation, detail::JudgedEnd end, std::int64_t at
) noexcept {
    bool stale = false;
    update([&](Word from) {
        stale = from.generation() != generation;
        return settings().law.on_outcome(from, generation, end.verdict, at);
    });
    if (stale) {
        detail::notify(observer_, CircuitStale{generation, end.verdict});
    } else if (end.counts()) {
        detail::notify(
            observer_, CircuitOutcome{CircuitState::half_open, end.verdict, end.slow}
        );
    } else if (end.verdict == Verdict::abandoned) {
        detail::notify(observer_, CircuitAbandoned{CircuitState::half_open, generation});
    }
}

template <class Observer, CallWindow Window, class TimeSource>
void CircuitBreaker<Observer, Window, TimeSource>::forget(
    detail::Generation generation, Window& window
) noexcept {
    run_.forget(generation);
    if constexpr (requires { window.forget(generation); }) window.forget(generation);
}

template <class Observer, CallWindow Window, class TimeSource>
void CircuitBreaker<Observer, Window, TimeSource>::tell(
    Word from, Word to, const CallCounts& counts
) noexcept {
    if (from.generation() == to.generation()) return;
    if (from.state() == CircuitState::closed ||
        from.state() == CircuitState::metrics_only) {
        forget(from.generation(), *settings().window);
    }
    const bool again =
        from.state() == CircuitState::half_open && to.state() == CircuitState::half_open;
    if (again && from.round().in_flight > 0) {
        detail::notify(
            observer_, CircuitLeaseExpired{from.generation(), from.round().in_flight}
        );
    }
    detail::notify(
        observer_, CircuitTransition{from.state(), to.state(), to.generation(), counts}
    );
}

template <class Observer, CallWindow Window, class TimeSource>
CircuitSnapshot CircuitBreaker<Observer, Window, TimeSource>::snapshot(TimePoint now
) const noexcept {
    const std::int64_t at = detail::nanoseconds_of(now);
    const Word w = Law::poll(load(), at);
    CircuitSnapshot s{.state = w.state(), .generation = w.generation()};
    s.reconfigured = replacements_.count();
    if (w.state() == CircuitState::open) {
        s.open_for = std::chrono::nanoseconds{Law::open_wait(w, at)};
    } else if (w.state() == CircuitState::half_open) {
        const detail::ProbeRound round = w.round();
        s.probes_in_flight = round.in_flight;
        s.probes_ok = round.ok;
        s.probes_bad = round.bad;
    } else if (w.state() == CircuitState::closed || w.state() == CircuitState::metrics_only) {
        s.counts = settings().window->counts(w.generation(), now);
        s.counts.consecutive_failures = run_.length(w.generation());
    }
    return s;
}

template <class Observer, CallWindow Window, class TimeSource>
void CircuitBreaker<Observer, Window, TimeSource>::adopt(
    std::unique_ptr<Settings>&& settings
) {
    kept_.push_back(std::move(settings));
    settings_.store(kept_.back().get(), std::memory_order_release);
}

template <class Observer, CallWindow Window, class TimeSource>
auto CircuitBreaker<Observer, Window, TimeSource>::kept_like(const Settings& next) const
    -> const Settings* {
    for (const auto& kept : kept_) {
        if (kept->window == next.window && kept->means_the_same_as(next)) {
            return kept.get();
        }
    }
    return nullptr;
}

template <class Observer, CallWindow Window, class TimeSource>
void CircuitBreaker<Observer, Window, TimeSource>::reconfigure(
    CircuitBreakerOptions options
) {
    bool is_new = false;
    // A `trip_if` is copied and destroyed outside the lock: it may call the breaker.
    options.trip_if = settings().options.trip_if;
    auto next = std::make_unique<Settings>(options, nullptr);
    {
        const std::lock_guard lock{mutex_};
        const Settings& old = settings();
        next->window = old.window;
        if constexpr (std::constructible_from<Window, const WindowOptions&>) {
            is_new = options.window != old.options.window;
        }
        if (const Settings* const kept = is_new ? nullptr : kept_like(*next)) {
            settings_.store(kept, std::memory_order_release);
            return;
        }
        replacements_.demand_room();
        if constexpr (std::constructible_from<Window, const WindowOptions&>) {
            if (is_new) next->window = std::make_shared<Window>(options.window);
        }
        adopt(std::move(next));
        replacements_.add();
    }
    // Not under the lock: an observer may call the breaker.
    if (is_new) command(detail::BreakerCommand::renumber);
}

}  // namespace resilience

#endif
