// SPDX-License-Identifier: MIT
#include <resilience/hedge.hpp>
#include <resilience/registry.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

const TimePoint kStart{1000s};

std::string refused(Hedge<>& hedge, const HedgeOptions& options) {
    try {
        hedge.reconfigure(options);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

}  // namespace

TEST_CASE("a hedge in use takes another delay, other attempts, and deposits or not") {
    RetryBudget budget{{.min_per_sec = 0, .initial = 0}, kStart};
    Hedge<> hedge{{.delay = 30ms, .idempotent = true}, budget};
    hedge.reconfigure({.attempts = 3, .delay = 50ms, .idempotent = true});
    CHECK(hedge.delay() == 50ms);
    CHECK(hedge.options().attempts == 3);
    hedge.begin(kStart);
    const double one = budget.snapshot(kStart).available;
    CHECK(one > 0);
    hedge.reconfigure({.idempotent = true, .deposit = false});
    hedge.begin(kStart);
    CHECK(budget.snapshot(kStart).available == one);
    CHECK(hedge.snapshot().calls == 2);
}

TEST_CASE("a hedge goes over from quantile to fixed delay and back, and forgets nothing"
) {
    RetryBudget budget;
    const auto options = [](double quantile) {
        return HedgeOptions{.delay = 30ms, .quantile = quantile, .idempotent = true};
    };
    Hedge<> hedge{options(0.9), budget};
    for (int i = 0; i < 500; ++i) hedge.record(i % 4 == 0 ? 20ms : 5ms);
    REQUIRE(hedge.delay() >= 20ms);
    REQUIRE(hedge.delay() < 23ms);
    hedge.reconfigure(options(0));
    CHECK(hedge.delay() == 30ms);
    hedge.reconfigure(options(0.5));
    CHECK(hedge.delay() >= 5ms);
    CHECK(hedge.delay() < 6ms);
    hedge.reconfigure(
        {.quantile = 0.5, .min_delay = 8ms, .max_delay = 8ms, .idempotent = true}
    );
    CHECK(hedge.delay() == 8ms);
    hedge.reconfigure(
        {.quantile = 0.9, .min_delay = 8ms, .max_delay = 8ms, .idempotent = true}
    );
    CHECK(!hedge.delay().has_value());
}

TEST_CASE("a hedge learns nothing while its delay is fixed, nor from too few calls") {
    RetryBudget budget;
    Hedge<> hedge{{.delay = 30ms, .idempotent = true}, budget};
    for (int i = 0; i < 1000; ++i) hedge.record(1s);
    hedge.reconfigure({.delay = 40ms, .quantile = 0.9, .idempotent = true});
    CHECK(hedge.delay() == 40ms);
    for (std::uint32_t i = 0; i < Hedge<>::kLeastSamples - 1; ++i) hedge.record(5ms);
    hedge.reconfigure({.delay = 40ms, .quantile = 0.8, .idempotent = true});
    CHECK(hedge.delay() == 40ms);
}

TEST_CASE("a hedge's change out of range is refused by name, and changes nothing") {
    RetryBudget budget;
    Hedge<> hedge{{.delay = 30ms, .idempotent = true}, budget};
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused(hedge, {}) == "HedgeOptions::idempotent");
    CHECK(
        refused(hedge, {.attempts = 1, .idempotent = true}) == "HedgeOptions::attempts"
    );
    CHECK(refused(hedge, {.delay = -1ns, .idempotent = true}) == "HedgeOptions::delay");
    CHECK(
        refused(hedge, {.quantile = nan, .idempotent = true}) == "HedgeOptions::quantile"
    );
    CHECK(
        refused(hedge, {.min_delay = -1ns, .idempotent = true}) ==
        "HedgeOptions::min_delay"
    );
    CHECK(
        refused(hedge, {.max_delay = 0ns, .idempotent = true}) ==
        "HedgeOptions::max_delay"
    );
    CHECK(hedge.options().attempts == 2);
    CHECK(hedge.delay() == 30ms);
}

TEST_CASE("a registry changes a hedge by its name") {
    Registry registry;
    RetryBudget budget;
    auto hedge = std::make_shared<Hedge<>>(HedgeOptions{.idempotent = true}, budget);
    REQUIRE_FALSE(registry.add("search", hedge));
    CHECK(registry.reconfigure<Hedge<>>("search", {.delay = 70ms, .idempotent = true}));
    CHECK(hedge->delay() == 70ms);
}

TEST_CASE("threads that hedge while it is changed wait for one delay or the other") {
    RetryBudget budget;
    const HedgeOptions fixed{.delay = 30ms, .idempotent = true};
    const HedgeOptions learned{
        .delay = 50ms,
        .quantile = 0.9,
        .min_delay = 5ms,
        .max_delay = 5ms,
        .idempotent = true};
    Hedge<> hedge{fixed, budget};
    std::atomic<int> wrong{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (int call = 0; call < 20'000; ++call) {
                hedge.begin(kStart);
                const auto delay = hedge.delay();
                wrong += delay != 30ms && delay != 50ms && delay != 5ms;
                hedge.record(1ms);
                if (call % 4 == 0) {
                    hedge.reconfigure((call / 4 + t) % 2 == 0 ? learned : fixed);
                }
            }
        });
    }
    threads.clear();
    CHECK(wrong == 0);
    CHECK(hedge.snapshot().calls == 60'000);
}
