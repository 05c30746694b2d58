// SPDX-License-Identifier: MIT
// A server that has work for 70 % of its capacity loses four fifths of it for 30 seconds.
// Attempts that nobody waits for any more fill its queue; whether it ever gets out of
// that depends on what the clients do.
#include "overload_simulation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace resilience;
using namespace resilience::simulation;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kTrigger = 30;  // second at which it begins
constexpr std::size_t kOver = 60;     // and at which it is over

std::vector<Second> simulate(const Scenario& scenario) {
    return Simulation{scenario}.run();
}

// A budget that the calls alone pay for.
constexpr RetryBudgetOptions kShare{.ratio = 0.1, .min_per_sec = 0, .initial = 0};

// The largest share of attempts to calls, counted from the beginning to any second.
double most_amplification(const std::vector<Second>& seconds) {
    double most = 0;
    for (std::size_t end = 1; end <= seconds.size(); ++end) {
        most = std::max(most, amplification(total(seconds, 0, end)));
    }
    return most;
}

}  // namespace

TEST_CASE("with a budget a fleet adds its ratio to an overload, and it ends") {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        const auto seconds = simulate({.budget = kShare, .seed = seed});
        CHECK(goodput(total(seconds, 0, kTrigger)) > 0.999);
        CHECK(most_amplification(seconds) <= 1.1);
        CHECK(goodput(total(seconds, kOver + 30, kOver + 40)) >= 0.95);
        CHECK(goodput(total(seconds, kOver + 30, seconds.size())) >= 0.95);
    }
}

TEST_CASE("without a budget the same fleet keeps the server down long after the trigger"
) {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        const auto seconds = simulate({.seed = seed});
        CHECK(goodput(total(seconds, 0, kTrigger)) > 0.999);
        CHECK(goodput(total(seconds, kOver + 30, seconds.size())) < 0.05);
        CHECK(amplification(total(seconds, kOver, seconds.size())) > 3.0);
    }
}

TEST_CASE("the reserve of the default budget is added to the ratio, and it ends later") {
    const auto seconds = simulate({.budget = RetryBudgetOptions{}});
    // Twenty clients with one retry a second each, beside 140 calls a second.
    const auto overload = total(seconds, kTrigger + 10, kOver + 20);
    CHECK(amplification(overload) <= 1.1 + 20 / 140.0 + 0.03);
    CHECK(goodput(total(seconds, kOver + 45, seconds.size())) >= 0.95);
}

TEST_CASE("neither jitter nor fewer attempts save a fleet that has no budget") {
    for (const Jitter jitter :
         {Jitter::none, Jitter::full, Jitter::equal, Jitter::decorrelated}) {
        Scenario scenario;
        scenario.retry.attempts = 3;
        scenario.retry.jitter = jitter;
        const auto without = simulate(scenario);
        CHECK(goodput(total(without, kOver + 30, without.size())) < 0.5);
        scenario.budget = kShare;
        const auto with = simulate(scenario);
        CHECK(goodput(total(with, kOver + 30, with.size())) >= 0.95);
        CHECK(most_amplification(with) <= 1.1);
    }
}

TEST_CASE("with a budget, an outage of a few seconds or of a minute ends as well") {
    for (const auto length : {2s, 10s, 60s}) {
        for (const double trigger : {0.01, 0.5}) {
            const auto seconds =
                simulate({.trigger = trigger, .trigger_length = length, .budget = kShare}
                );
            const std::size_t over = kTrigger + static_cast<std::size_t>(length.count());
            CHECK(goodput(total(seconds, over + 40, seconds.size())) >= 0.95);
            CHECK(most_amplification(seconds) <= 1.1);
        }
    }
}

TEST_CASE("a throttle ends the storm even without a budget, within its window") {
    const auto seconds = simulate({.throttle = ThrottleOptions{.window = 30s}});
    CHECK(total(seconds, 0, kTrigger).refused == 0);
    CHECK(total(seconds, kTrigger + 10, kOver).refused > 1000);
    CHECK(amplification(total(seconds, kOver, kOver + 30)) < 1.0);
    CHECK(goodput(total(seconds, kOver + 60, seconds.size())) >= 0.95);
    CHECK(total(seconds, kOver + 60, seconds.size()).refused == 0);
}

TEST_CASE("a peer that hangs gets three probes a timeout (safe-client-gateway#3442)") {
    // One gateway, and a service that stops to answer for five minutes.
    Scenario scenario{
        .clients = 1,
        .load = 100,
        .backlog = 100'000,
        .timeout = 30s,
        .trigger = 0.0001,
        .trigger_length = 5min,
        .length = 400,
        .retry = {.attempts = 1},
        .breaker = CircuitBreakerOptions{.open_for = 1s, .probes = 3, .close_after = 2}};
    const auto three = simulate(scenario);
    // The circuit opens when the first calls have timed out.
    CHECK(total(three, 65, 330).sent <= 3 * (265 / 30 + 1));
    CHECK(total(three, 65, 330).sent > 3 * 5);
    CHECK(goodput(total(three, 360, 400)) >= 0.95);

    // As many as the word holds: nearly what comes in.
    scenario.breaker->probes = 255;
    scenario.breaker->close_after = 253;
    CHECK(total(simulate(scenario), 65, 330).sent > 50 * total(three, 65, 330).sent);
}

TEST_CASE("a server that warms up is not flooded after a slow start (brpc#709)") {
    // It comes back with a fiftieth of its capacity and has all of it after a minute.
    Scenario scenario{
        .trigger = 0.02,
        .warm_up = 60s,
        .retry = {.attempts = 1},
        .breaker = CircuitBreakerOptions{}};
    const auto failed = [](const std::vector<Second>& seconds) {
        const Second after = total(seconds, kOver + 20, seconds.size());
        return after.sent - after.served;
    };
    CHECK(failed(simulate(scenario)) > 300);
    scenario.breaker->slow_start = 60s;
    const auto seconds = simulate(scenario);
    CHECK(failed(seconds) < 30);
    CHECK(goodput(total(seconds, kOver + 90, seconds.size())) >= 0.95);
}
