// SPDX-License-Identifier: MIT
#include <resilience/pipeline.hpp>
#include <resilience/registry.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/virtual_environment.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

struct World {
    testing::ManualClock clock;
    Random random{1};

    testing::VirtualEnvironment environment() { return {clock, random}; }
};

constexpr RetryOptions waiting(std::uint32_t attempts, std::chrono::nanoseconds base) {
    return {.attempts = attempts, .base = base, .factor = 1, .jitter = Jitter::none};
}

std::string refused(Retry<>& retry, const RetryOptions& options) {
    try {
        retry.reconfigure(options);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

/// How long a pipeline goes on with calls that fail.
template <class Pipeline>
std::chrono::nanoseconds time_of_a_failure(Pipeline& pipeline, World& world) {
    const TimePoint start = world.clock.now();
    const Outcome<int> end = pipeline.run([](CallContext&) -> Outcome<int> {
        return fail(Errc::unavailable);
    });
    REQUIRE_FALSE(end.has_value());
    return world.clock.now() - start;
}

}  // namespace

TEST_CASE("a retry in use takes other options for the calls that begin from then on") {
    World world;
    Retry<> retry{waiting(2, 1s)};
    auto pipeline = Pipeline{Deadline{1h}, retry}.with(world.environment());
    CHECK(time_of_a_failure(pipeline, world) == 1s);
    retry.reconfigure(waiting(4, 2s));
    CHECK(retry.options() == waiting(4, 2s));
    CHECK(retry.snapshot().attempts == 4);
    CHECK(time_of_a_failure(pipeline, world) == 6s);
}

TEST_CASE("a call keeps the options that it began with to its last attempt") {
    World world;
    Retry<> retry{waiting(4, 1s)};
    auto pipeline = Pipeline{Deadline{1h}, retry}.with(world.environment());
    const TimePoint start = world.clock.now();
    std::uint32_t attempts = 0;
    const Outcome<int> end = pipeline.run([&](CallContext& call) -> Outcome<int> {
        attempts = call.attempt;
        for (int i = 1; i <= 100; ++i) retry.reconfigure(waiting(1, i * 1ms));
        return fail(Errc::unavailable);
    });
    CHECK_FALSE(end.has_value());
    CHECK(attempts == 4);
    CHECK(world.clock.now() - start == 3s);
    CHECK(time_of_a_failure(pipeline, world) == 0s);
}

TEST_CASE("a retry's change out of range is refused by name, and changes nothing") {
    Retry<> retry{waiting(3, 1s)};
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto most = std::uint32_t{1} << 31;
    CHECK(refused(retry, {.attempts = 0}) == "RetryOptions::attempts");
    CHECK(refused(retry, {.attempts = most}) == "RetryOptions::attempts");
    CHECK(refused(retry, {.base = 0s}) == "RetryOptions::base");
    CHECK(refused(retry, {.factor = nan}) == "RetryOptions::factor");
    CHECK(refused(retry, {.cap = 1ms}) == "RetryOptions::cap");
    CHECK(refused(retry, {.jitter = Jitter{4}}) == "RetryOptions::jitter");
    CHECK(refused(retry, {.throttle_base = 0s}) == "RetryOptions::throttle_base");
    CHECK(refused(retry, {.max_hint = 0s}) == "RetryOptions::max_hint");
    CHECK(retry.options() == waiting(3, 1s));
    CHECK(retry.snapshot().reconfigured == 0);
}

TEST_CASE("a registry changes a retry by its name, and reads it") {
    Registry registry;
    auto retry = std::make_shared<Retry<>>();
    REQUIRE_FALSE(registry.add("orders", retry));
    CHECK(registry.reconfigure<Retry<>>("orders", {.attempts = 2, .idempotent = true}));
    CHECK(retry->policy().options().attempts == 2);
    CHECK(retry->options().idempotent);
    const auto all = registry.snapshot();
    REQUIRE(all.size() == 1);
    CHECK(all[0].kind == "retry");
    REQUIRE(all[0].readings.size() == 2);
    CHECK(all[0].readings[0].name == "attempts");
    CHECK(all[0].readings[0].value == 2);
    CHECK(all[0].readings[1].name == "reconfigured_total");
    CHECK(all[0].readings[1].value == 1);
}

TEST_CASE("a retry that was changed brings its options into a pipeline, and changes there"
) {
    World world;
    RetryBudget budget{{}, world.clock.now()};
    Retry<> made{waiting(4, 1s), &budget};
    made.reconfigure(waiting(2, 3s));
    auto pipeline = Pipeline{Deadline{1h}, std::move(made)}.with(world.environment());
    Retry<>& retry = pipeline.stage<1>();
    CHECK(retry.budget() == &budget);
    CHECK(time_of_a_failure(pipeline, world) == 3s);
    retry.reconfigure(waiting(2, 5s));
    CHECK(time_of_a_failure(pipeline, world) == 5s);
}

TEST_CASE("threads that retry while it is changed go by one set of options or the other"
) {
    const RetryOptions few = waiting(2, 7ms);
    const RetryOptions many = waiting(5, 1ms);
    Retry<> retry{few};
    std::atomic<int> wrong{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (int call = 0; call < 20'000; ++call) {
                RetryState state{retry.policy()};
                std::chrono::nanoseconds waited{0};
                for (;;) {
                    const RetryDecision again = state.next(
                        {Verdict::transient}, TimePoint{}, RetryState::no_deadline, 0
                    );
                    if (!again) break;
                    waited += again.delay;
                    if (call % 4 == 0) {
                        retry.reconfigure((call / 4 + t) % 2 == 0 ? many : few);
                    }
                }
                const bool by_few = state.attempts() == 2 && waited == 7ms;
                const bool by_many = state.attempts() == 5 && waited == 4ms;
                wrong += !by_few && !by_many;
            }
        });
    }
    threads.clear();
    CHECK(wrong == 0);
    CHECK(retry.snapshot().reconfigured == 1);
}
