// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_CANCEL_EVERYWHERE_HPP
#define RESILIENCE_TESTING_CANCEL_EVERYWHERE_HPP

#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <exception>
#include <optional>

namespace resilience::testing {

/// What befell one run of a scenario.
enum class Blow {
    /// Nothing: the scenario ran to its end.
    none,
    /// It was cancelled with `cancellation_type::terminal`.
    terminal,
    /// It was cancelled with `cancellation_type::partial`.
    partial,
    /// It was cancelled with `cancellation_type::total`.
    total,
    /// Its `io_context` was destroyed.
    destroy
};

/// One run of a scenario, as @ref cancel_everywhere tells it to the check.
struct CancelledRun {
    /// What befell it.
    Blow blow = Blow::none;
    /// After how many steps of the context.
    std::size_t step = 0;
    /// Whether the coroutine ended, by return or exception, before its context did.
    bool finished = false;
    /// What it threw, if it did.
    std::exception_ptr error;
    /// Waits that were still under way when nothing was left to do, or the blow fell.
    std::size_t waits_left = 0;
};

/// What @ref cancel_everywhere did in all.
struct CancelReport {
    /// Runs of the scenario.
    std::size_t runs = 0;
    /// Points at which the coroutine was suspended and a blow fell, for each kind of it.
    std::size_t points = 0;
    /// Runs that were cancelled, whose contexts then had nothing left to do, and which
    /// yet had not ended.
    std::size_t unfinished = 0;
    /// Runs that were still busy after `CancelOptions::max_steps`.
    std::size_t endless = 0;
};

/// Settings of @ref cancel_everywhere.
struct CancelOptions {
    /// Most steps of one run, a step being one handler or one end of a wait. Default
    /// 100,000.
    std::size_t max_steps = 100'000;
    /// Whether `partial` and `total` reach the scenario, which a coroutine keeps out
    /// unless it says otherwise. Default true.
    bool every_type = true;
};

namespace detail {

inline net::cancellation_type type_of(Blow blow) {
    switch (blow) {
        case Blow::partial:
            return net::cancellation_type::partial;
        case Blow::total:
            return net::cancellation_type::total;
        default:
            return net::cancellation_type::terminal;
    }
}

/// Ends a run. It has no executor, so that a blow falls at once and not a handler later.
struct Finish {
    using cancellation_slot_type = net::cancellation_slot;

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return signal->slot();
    }
    void operator()(std::exception_ptr error) const {
        run->finished = true;
        run->error = error;
    }

    CancelledRun* run;
    net::cancellation_signal* signal;
};

template <class Scenario>
net::awaitable<void> with_every_type(
    Scenario& scenario, VirtualTime& time, bool every_type
) {
    if (every_type) {
        co_await net::this_coro::reset_cancellation_state(net::enable_total_cancellation()
        );
    }
    co_await scenario(time);
}

/// A run, and what only the driver needs to know of it.
struct Trial {
    CancelledRun run;
    /// Whether the blow fell.
    bool struck = false;
    /// Whether steps ran out.
    bool endless = false;
    /// Whether there is no later point to strike at.
    bool last = false;
};

template <class Scenario>
Trial try_once(
    Scenario& scenario, Blow blow, std::size_t step, const CancelOptions& options
) {
    Trial trial{.run = {.blow = blow, .step = step}};
    CancelledRun& run = trial.run;
    net::cancellation_signal signal;
    std::optional<net::io_context> context{std::in_place};
    VirtualTime time{*context};
    net::co_spawn(
        *context,
        with_every_type(scenario, time, options.every_type),
        Finish{&run, &signal}
    );
    for (std::size_t n = 0; n < step && !run.finished && !trial.last; ++n) {
        trial.last = !time.step();
    }
    trial.struck = blow != Blow::none && !run.finished;
    trial.last |= !trial.struck || step >= options.max_steps;
    const bool destroyed = trial.struck && blow == Blow::destroy;
    if (trial.struck && !destroyed) signal.emit(type_of(blow));
    if (!destroyed) trial.endless = !time.run(options.max_steps);
    run.waits_left = time.waiting();
    context.reset();
    return trial;
}

}  // namespace detail

/** Runs a scenario again and again and strikes it once in each run: at its first
    suspension, at its second, and so on; by cancellation of each type, and by destroying
    its `io_context`.

    Each run has a context and a @ref VirtualTime of its own. The coroutine is suspended
    whenever the context is between two handlers, and one of them more is run before each
    next blow, until the scenario ends before it falls. What is suspended for ever is
    struck when nothing else is left to do. After a cancellation the context runs until it
    rests.

    @param scenario Called for each run as `net::awaitable<void> scenario(VirtualTime&)`.
   It and what it refers to outlive the call.
    @param check Called after each run, when its context is gone, as
        `check(const CancelledRun&)`: to see that nothing is left behind.
    @return What was done; a test should look at `points` and `unfinished`.

    @par Example
    @code
    auto report = testing::cancel_everywhere(
        [&](testing::VirtualTime&) -> net::awaitable<void> { co_await guarded_call(); },
        [&](const testing::CancelledRun&) { CHECK(bulkhead.in_flight() == 0); }
    );
    CHECK(report.unfinished == 0);
    @endcode
*/
template <class Scenario, class Check>
CancelReport cancel_everywhere(
    Scenario scenario, Check check, const CancelOptions& options = {}
) {
    CancelReport report;
    for (const Blow blow :
         {Blow::none, Blow::terminal, Blow::partial, Blow::total, Blow::destroy}) {
        bool last = false;
        // The first step starts the coroutine; Asio lets nobody cancel it before.
        for (std::size_t step = 1; !last; ++step) {
            const detail::Trial trial = detail::try_once(scenario, blow, step, options);
            last = trial.last;
            ++report.runs;
            if (trial.struck) ++report.points;
            if (trial.endless) ++report.endless;
            const bool cancelled = trial.struck && blow != Blow::destroy;
            if (cancelled && !trial.run.finished) ++report.unfinished;
            check(trial.run);
        }
    }
    return report;
}

}  // namespace resilience::testing

#endif
