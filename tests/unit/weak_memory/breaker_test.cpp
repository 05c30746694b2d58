// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;
const TimePoint ripe = start + 10s;

/// Remembers nothing.
struct BlankWindow {
    explicit BlankWindow(const WindowOptions&) noexcept {}

    void record(std::uint32_t, CallOutcome, TimePoint) noexcept {}
    CallCounts counts(std::uint32_t, TimePoint) const noexcept { return {}; }
};

/// Knows whether it is the new one, and that the generation of the new one is.
class NumberedWindow {
public:
    explicit NumberedWindow(const WindowOptions& options) noexcept
        : number_{std::holds_alternative<CountWindowOptions>(options)} {}

    void record(std::uint32_t generation, CallOutcome, TimePoint) noexcept {
        look(generation);
    }
    void forget(std::uint32_t generation) noexcept { look(generation); }
    CallCounts counts(std::uint32_t, TimePoint) const noexcept { return {}; }

private:
    void look(std::uint32_t generation) const noexcept {
        const bool is_new = number_.get() == 1;
        demand(is_new || generation == 0, "who sees the generation sees its window");
    }

    Plain<int> number_;
};

/// Knows whether a call of the first generation is in it.
class LastingWindow {
public:
    explicit LastingWindow(const WindowOptions&) noexcept {}

    void record(std::uint32_t, CallOutcome, TimePoint) noexcept { calls_.store(1); }
    CallCounts counts(std::uint32_t, TimePoint) const noexcept {
        return {.calls = calls_.load()};
    }
    void forget(std::uint32_t) noexcept {
        if (calls_.load() > 0) calls_.store(0);
    }

private:
    Atomic<std::uint32_t> calls_{0};
};

/// Writes down the transitions.
struct History {
    std::vector<CircuitTransition>* transitions;

    void on(const CircuitTransition& t) noexcept { transitions->push_back(t); }
};

using Breaker = CircuitBreaker<History, BlankWindow>;

const CircuitBreakerOptions one_failure{
    .consecutive_failures = 1, .open_for = 1s, .probes = 2, .close_after = 2};

void demand_one_history(std::vector<CircuitTransition> transitions, CircuitState end) {
    const auto earlier = [](const auto& a, const auto& b) {
        return a.generation < b.generation;
    };
    std::sort(transitions.begin(), transitions.end(), earlier);
    CircuitState state = CircuitState::closed;
    std::uint32_t generation = 0;
    for (const CircuitTransition& t : transitions) {
        demand(t.generation == ++generation, "each transition has a number of its own");
        demand(t.from == state, "each transition begins where the last one ended");
        state = t.to;
    }
    demand(state == end, "the last transition is where the circuit stands");
}

}  // namespace

TEST_CASE("weak memory: a half-open circuit admits no more probes than it may") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        Breaker breaker{one_failure, History{&transitions}};
        breaker.try_acquire(start).done(Verdict::transient, start);
        std::vector<Breaker::Permit> probes;
        probes.reserve(3);
        const auto probe = [&] {
            auto permit = breaker.try_acquire(ripe);
            if (permit) probes.push_back(std::move(permit));
        };
        run({probe, probe, probe});
        demand(probes.size() == 2, "as many probes as there may be");
        demand(breaker.snapshot(ripe).probes_in_flight == 2, "they are in flight");
        for (auto& probe_left : probes) std::move(probe_left).abandon(ripe);
        demand(breaker.snapshot(ripe).probes_in_flight == 0, "they came back");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: probes that end at once close the circuit once") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        Breaker breaker{one_failure, History{&transitions}};
        breaker.try_acquire(start).done(Verdict::transient, start);
        auto one = breaker.try_acquire(ripe);
        auto two = breaker.try_acquire(ripe);
        run(
            {[&] { std::move(one).done(Verdict::success, ripe); },
             [&] { std::move(two).done(Verdict::success, ripe); },
             [&] { breaker.try_acquire(ripe).done(Verdict::ignored, ripe); }}
        );
        demand(breaker.state(ripe) == CircuitState::closed, "two successes close it");
        demand_one_history(transitions, CircuitState::closed);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a probe given up makes room for another, and none is left over") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        Breaker breaker{one_failure, History{&transitions}};
        breaker.try_acquire(start).done(Verdict::transient, start);
        auto held = breaker.try_acquire(ripe);
        run(
            {[&] {
                 std::move(held).abandon(ripe);
                 breaker.try_acquire(ripe).done(Verdict::success, ripe);
             },
             [&] { breaker.try_acquire(ripe).done(Verdict::permanent, ripe); }}
        );
        demand_one_history(transitions, breaker.state(ripe));
        demand(breaker.snapshot(ripe).probes_in_flight == 0, "no probe is left");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: an outcome of an earlier generation changes nothing") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        Breaker breaker{one_failure, History{&transitions}};
        auto stale = breaker.try_acquire(start);
        const auto fail = [&] {
            breaker.try_acquire(start).done(Verdict::transient, start);
        };
        run(
            {[&] {
                 fail();
                 fail();
             },
             [&] { std::move(stale).done(Verdict::transient, start); }}
        );
        demand(transitions.size() == 1, "the circuit opened once");
        demand_one_history(transitions, CircuitState::open);
        demand(breaker.state(start) == CircuitState::open, "and is open");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a command and the calls it meets make one history") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        Breaker breaker{one_failure, History{&transitions}};
        run(
            {[&] { breaker.try_acquire(start).done(Verdict::transient, start); },
             [&] { breaker.force_open(); },
             [&] { breaker.reset(); }}
        );
        demand_one_history(transitions, breaker.state(start));
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who ends a generation forgets it in the window that it had") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        CircuitBreaker<History, NumberedWindow> breaker{{}, History{&transitions}};
        run(
            {[&] { breaker.reconfigure({.window = CountWindowOptions{}}); },
             [&] { breaker.force_open(); }}
        );
        demand_one_history(transitions, CircuitState::forced_open);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: settings that are put in force again are seen whole") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        CircuitBreaker<History, NumberedWindow> breaker{{}, History{&transitions}};
        const auto replace = [&] {
            breaker.reconfigure({.window = CountWindowOptions{}});
        };
        run({replace, replace, [&] {
                 breaker.try_acquire(start).done(Verdict::success, start);
             }});
        demand_one_history(transitions, CircuitState::closed);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who sees the generation of a new window sees the window") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        CircuitBreaker<History, NumberedWindow> breaker{{}, History{&transitions}};
        run(
            {[&] { breaker.reconfigure({.window = CountWindowOptions{}}); },
             [&] { breaker.try_acquire(start).done(Verdict::success, start); },
             [&] { breaker.try_acquire(start).done(Verdict::success, start); }}
        );
        demand_one_history(transitions, CircuitState::closed);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: no call of a generation that has ended stays in the window") {
    const Exploration all = explore([] {
        std::vector<CircuitTransition> transitions;
        CircuitBreaker<History, LastingWindow> breaker{{}, History{&transitions}};
        auto call = breaker.try_acquire(start);
        run(
            {[&] { std::move(call).done(Verdict::transient, start); },
             [&] { breaker.force_open(); }}
        );
        breaker.metrics_only();
        demand(breaker.snapshot(start).counts.calls == 0, "nothing is left of it");
        demand_one_history(transitions, CircuitState::metrics_only);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
