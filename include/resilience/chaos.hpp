// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CHAOS_HPP
#define RESILIENCE_CHAOS_HPP

#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/random.hpp>

#include <resilience/detail/chaos_law.hpp>
#include <resilience/detail/failed_as.hpp>
#include <resilience/detail/interruptible_sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace resilience {

/// Settings of a @ref Chaos. Nothing is injected by default.
struct ChaosOptions {
    /// Share of the calls that fail with @ref fault instead of being made. 0 to 1;
    /// default 0.
    double fault_rate = 0;

    /// What those calls fail with: one of the enumerators of @ref Errc; default
    /// unavailable.
    Errc fault = Errc::unavailable;

    /// Share of the calls that end with the policy's outcome instead of being made. 0 to
    /// 1, and no more than what @ref fault_rate leaves; default 0.
    double outcome_rate = 0;

    /// Share of the calls that wait first, whatever else befalls them. 0 to 1; default 0.
    double latency_rate = 0;

    /// The least that they wait. Not negative, at most a day; default 100 ms.
    std::chrono::nanoseconds latency = std::chrono::milliseconds{100};

    /// What they wait beyond that at most; uniform. Not negative, at most a day; default
    /// 0.
    std::chrono::nanoseconds latency_spread{0};

    /// Makes the same calls suffer in each run, in the order in which they come. Default
    /// 0: a different choice in each run.
    std::uint64_t seed = 0;

    /// Whether anything is injected. Default true.
    bool enabled = true;
};

/// What a @ref Chaos did so far.
struct ChaosSnapshot {
    static constexpr const char* kind = "chaos";

    /// Calls that failed instead of being made.
    std::uint64_t faults = 0;
    /// Calls that ended with the outcome instead of being made.
    std::uint64_t outcomes = 0;
    /// Calls that were made to wait.
    std::uint64_t delayed = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const ChaosSnapshot& s, Visit&& visit) {
    visit("faults_total", s.faults);
    visit("outcomes_total", s.outcomes);
    visit("delayed_total", s.delayed);
}

/// Told to observers: something is done to a call.
struct ChaosInjected {
    ChaosAction action;
};

/// The outcome of a @ref Chaos that injects none.
struct NoOutcome {};

/** Injects faults, waits and outcomes into calls, to see whether the rest bears them.

    It stands in the innermost place, where the real fault would: so everything around it
    is exercised. It can be switched and changed while calls run. A seed makes a run
    repeatable as far as its calls come in the same order.

    @tparam Outcome A function object of no arguments that makes the injected outcome, of
   a type that the call's result can be made of.
    @tparam Observer Sees @ref ChaosInjected.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free, if calling `Outcome` is.

    @par Example
    @code
    Chaos chaos{{.fault_rate = 0.01, .latency_rate = 0.05}};
    auto row = chaos.run([&] { return database.fetch(id); });
    @endcode
*/
template <class Outcome = NoOutcome, class Observer = NoObserver>
class Chaos {
public:
    static constexpr PipelineStage pipeline_stage = PipelineStage::chaos;

    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    explicit Chaos(
        const ChaosOptions& options = {}, Outcome outcome = {}, Observer observer = {}
    )
        : outcome_(std::move(outcome)), observer_(std::forward<Observer>(observer)) {
        reconfigure(options);
    }

    Chaos(const Chaos&) = delete;
    Chaos& operator=(const Chaos&) = delete;

    /// Switches the injection on or off.
    void enable(bool on) noexcept { enabled_.store(on, std::memory_order_relaxed); }

    bool enabled() const noexcept { return enabled_.load(std::memory_order_relaxed); }

    /// Replaces the options. Calls that begin meanwhile may see some of the old ones. A
    /// seed begins its sequence again.
    /// @throws std::invalid_argument As the constructor; nothing is changed then.
    void reconfigure(const ChaosOptions& options);

    /// Decides what befalls one call, by `random` alone. Does and counts nothing; always
    /// nothing while switched off.
    ChaosAction decide(std::uint64_t random) const noexcept {
        return enabled() ? law().decide(random) : ChaosAction{};
    }

    /// Decides what befalls the next call, counts it and tells the observer.
    ChaosAction next() noexcept;

    /// What a fault fails with. For shells.
    Failure fault() const {
        return fail(fault_.load(std::memory_order_relaxed), "injected by chaos");
    }

    /** Makes the result of a call that is not made. For shells.

        @throws std::system_error `R` has no place for a failure.
    */
    template <class R>
    R make(ChaosAction::Instead instead);

    /** Calls `work`, or does to it what the dice say.

        @param stop Ends an injected wait, and with it the call: by @ref Errc::cancelled.
        @param sleep Waits: `bool sleep(std::chrono::nanoseconds, std::stop_token)`, false
            when the stop came first.
        @return What `work` returned, or what was injected.
        @throws std::system_error A fault, where the result has no place for a failure.
    */
    template <class Work, class Sleep = detail::InterruptibleSleep>
    std::invoke_result_t<Work&> run(
        Work&& work, const std::stop_token& stop = {}, Sleep&& sleep = {}
    );

    ChaosSnapshot snapshot() const noexcept {
        return {
            .faults = faults_.load(std::memory_order_relaxed),
            .outcomes = outcomes_.load(std::memory_order_relaxed),
            .delayed = delayed_.load(std::memory_order_relaxed)};
    }

private:
    using Instead = ChaosAction::Instead;

    static void check(const ChaosOptions& options);

    detail::ChaosLaw law() const noexcept {
        constexpr auto relaxed = std::memory_order_relaxed;
        return {
            .fault_rate = fault_rate_.load(relaxed),
            .outcome_rate = outcome_rate_.load(relaxed),
            .latency_rate = latency_rate_.load(relaxed),
            .latency = latency_.load(relaxed),
            .latency_spread = latency_spread_.load(relaxed)};
    }

    // A call's bits depend on the seed and its number alone, so threads need no lock.
    std::uint64_t draw() noexcept {
        const std::uint64_t seed = seed_.load(std::memory_order_relaxed);
        if (seed == 0) return thread_random()();
        const std::uint64_t call = calls_.fetch_add(1, std::memory_order_relaxed);
        return Random{seed ^ Random{call}()}();
    }

    std::atomic<bool> enabled_{false};
    std::atomic<Errc> fault_{Errc::unavailable};
    std::atomic<double> fault_rate_{0};
    std::atomic<double> outcome_rate_{0};
    std::atomic<double> latency_rate_{0};
    std::atomic<std::int64_t> latency_{0};
    std::atomic<std::int64_t> latency_spread_{0};
    std::atomic<std::uint64_t> seed_{0};
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> faults_{0};
    std::atomic<std::uint64_t> outcomes_{0};
    std::atomic<std::uint64_t> delayed_{0};
    [[no_unique_address]] Outcome outcome_;
    [[no_unique_address]] Observer observer_;
};

template <class Outcome, class Observer>
void Chaos<Outcome, Observer>::check(const ChaosOptions& options) {
    const auto require = [](bool ok, const char* what) {
        if (!ok) throw std::invalid_argument{what};
    };
    const auto is_rate = [](double rate) { return rate >= 0.0 && rate <= 1.0; };
    const auto is_wait = [](std::chrono::nanoseconds wait) {
        return wait.count() >= 0 && wait <= std::chrono::hours{24};
    };
    require(is_rate(options.fault_rate), "ChaosOptions::fault_rate must be 0 to 1");
    require(is_rate(options.outcome_rate), "ChaosOptions::outcome_rate must be 0 to 1");
    require(
        options.fault >= Errc::unavailable && options.fault <= last_errc,
        "ChaosOptions::fault must be one of the failures of Errc"
    );
    require(
        options.fault_rate + options.outcome_rate <= 1.0,
        "ChaosOptions::outcome_rate must not be more than fault_rate leaves"
    );
    require(
        options.outcome_rate == 0 || !std::is_same_v<Outcome, NoOutcome>,
        "ChaosOptions::outcome_rate must be 0 where there is no outcome"
    );
    require(is_rate(options.latency_rate), "ChaosOptions::latency_rate must be 0 to 1");
    require(is_wait(options.latency), "ChaosOptions::latency must be 0 to 24 h");
    require(
        is_wait(options.latency_spread), "ChaosOptions::latency_spread must be 0 to 24 h"
    );
}

template <class Outcome, class Observer>
void Chaos<Outcome, Observer>::reconfigure(const ChaosOptions& options) {
    constexpr auto relaxed = std::memory_order_relaxed;
    check(options);
    fault_rate_.store(options.fault_rate, relaxed);
    fault_.store(options.fault, relaxed);
    outcome_rate_.store(options.outcome_rate, relaxed);
    latency_rate_.store(options.latency_rate, relaxed);
    latency_.store(options.latency.count(), relaxed);
    latency_spread_.store(options.latency_spread.count(), relaxed);
    seed_.store(options.seed, relaxed);
    calls_.store(0, relaxed);
    enabled_.store(options.enabled, relaxed);
}

template <class Outcome, class Observer>
ChaosAction Chaos<Outcome, Observer>::next() noexcept {
    if (!enabled()) return {};
    const ChaosAction action = law().decide(draw());
    constexpr auto relaxed = std::memory_order_relaxed;
    if (action.latency.count() > 0) delayed_.fetch_add(1, relaxed);
    if (action.instead == Instead::fault) faults_.fetch_add(1, relaxed);
    if (action.instead == Instead::outcome) outcomes_.fetch_add(1, relaxed);
    if (action) detail::notify(observer_, ChaosInjected{action});
    return action;
}

template <class Outcome, class Observer>
template <class R>
R Chaos<Outcome, Observer>::make(ChaosAction::Instead instead) {
    if constexpr (!std::is_same_v<Outcome, NoOutcome>) {
        if (instead == Instead::outcome) return static_cast<R>(outcome_());
    }
    return detail::failed_as<R>(fault());
}

template <class Outcome, class Observer>
template <class Work, class Sleep>
std::invoke_result_t<Work&> Chaos<Outcome, Observer>::run(
    Work&& work, const std::stop_token& stop, Sleep&& sleep
) {
    using R = std::invoke_result_t<Work&>;
    const ChaosAction action = next();
    if (action.latency.count() > 0 && !sleep(action.latency, stop)) {
        return detail::failed_as<R>(fail(Errc::cancelled));
    }
    if (action.instead != Instead::nothing) return make<R>(action.instead);
    return work();
}

}  // namespace resilience

#endif
