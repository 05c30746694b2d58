// SPDX-License-Identifier: MIT
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/timeout.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <system_error>

RESILIENCE_COUNT_ALLOCATIONS;

using namespace resilience;
using namespace std::chrono_literals;

namespace {

CircuitBreakerOptions opens_after(std::uint32_t failures) {
    return {
        .window = ConsecutiveWindowOptions{},
        .consecutive_failures = failures,
        .open_for = 30s};
}

/// Five policies around what a test does with the peer.
struct Five {
    explicit Five(const CircuitBreakerOptions& circuit = opens_after(1000))
        : breaker{circuit} {}

    testing::ManualClock clock;
    Random random{1};
    RetryBudget budget{{.min_per_sec = 0, .initial = 28}, clock.now()};
    CircuitBreaker<> breaker;
    Bulkhead<> bulkhead{{.limit = 1}};

    struct Ran {
        Outcome<int> outcome;
        std::uint64_t made;
    };

    /// Runs `operation` under all five, and counts what is allocated meanwhile.
    template <class Operation>
    Ran run(Operation operation, std::stop_token stop = {}) {
        auto pipeline =
            Pipeline{
                Deadline{1s},
                Retry{{.attempts = 3, .jitter = Jitter::none}, &budget},
                breaker,
                bulkhead,
                Timeout{{.limit = 200ms}}}
                .with(testing::VirtualEnvironment{clock, random});
        const testing::AllocationCounter counter;
        Outcome<int> outcome = pipeline.run(operation, stop);
        const std::uint64_t made = counter.made();
        return {std::move(outcome), made};
    }
};

}  // namespace

TEST_CASE("five policies around a success, first or after a retry, allocate nothing") {
    Five five;
    const auto first = five.run([](CallContext& c) { return int(c.attempt); });
    CHECK(first.made == 0);
    CHECK(*first.outcome == 1);
    const auto second = five.run([](CallContext& c) -> Outcome<int> {
        if (c.attempt == 1) return fail(Errc::unavailable);
        return int(c.attempt);
    });
    CHECK(second.made == 0);
    CHECK(*second.outcome == 2);
}

TEST_CASE("a failure that passes through five policies allocates nothing") {
    Five five;
    const auto permanent = five.run([](CallContext&) -> Outcome<int> {
        return fail(Errc::invalid_request);
    });
    CHECK(permanent.made == 0);
    CHECK(permanent.outcome.error() == Errc::invalid_request);
    const auto all =
        five.run([](CallContext&) -> Outcome<int> { return fail(Errc::unavailable); });
    CHECK(all.made == 0);
    CHECK(all.outcome.error() == Errc::unavailable);
}

TEST_CASE("a refusal by the open breaker allocates nothing") {
    Five five{opens_after(1)};
    const auto opens =
        five.run([](CallContext&) -> Outcome<int> { return fail(Errc::unavailable); });
    CHECK(opens.made == 0);
    CHECK(five.breaker.state(five.clock.now()) == CircuitState::open);
    const auto refused = five.run([](CallContext&) { return 1; });
    CHECK(refused.made == 0);
    CHECK(refused.outcome.error() == Errc::circuit_open);
    CHECK(refused.outcome.error().retry_after > 29s);
}

TEST_CASE("a refusal by the full bulkhead allocates nothing") {
    Five five;
    const auto slot = five.bulkhead.try_acquire();
    REQUIRE(slot);
    const auto refused = five.run([](CallContext&) { return 1; });
    CHECK(refused.made == 0);
    CHECK(refused.outcome.error() == Errc::bulkhead_full);
}

TEST_CASE("a retry that the empty budget does not pay allocates nothing") {
    Five five;
    const TimePoint now = five.clock.now();
    for (int i = 0; i < 2; ++i) five.budget.try_withdraw(Verdict::transient, now).sent();
    REQUIRE(five.budget.snapshot(now).retries == 0);
    std::uint32_t attempts = 0;
    const auto unpaid = five.run([&](CallContext& c) -> Outcome<int> {
        attempts = c.attempt;
        return fail(Errc::unavailable);
    });
    CHECK(unpaid.made == 0);
    CHECK(attempts == 1);
    CHECK(unpaid.outcome.error() == Errc::unavailable);
}

TEST_CASE("a call that goes past its deadline or its timeout allocates nothing") {
    Five five;
    int attempts = 0;
    const auto late = five.run([&](CallContext&) -> Outcome<int> {
        ++attempts;
        five.clock.advance(2s);
        return fail(Errc::cancelled_in_doubt);
    });
    CHECK(late.made == 0);
    CHECK(late.outcome.error() == Errc::timed_out_in_doubt);
    CHECK(attempts == 1);
    attempts = 0;
    const auto slow = five.run([&](CallContext&) -> Outcome<int> {
        ++attempts;
        five.clock.advance(600ms);  // past the timeout, and what is left is too short
        return fail(Errc::cancelled);
    });
    CHECK(slow.made == 0);
    CHECK(slow.outcome.error() == Errc::timed_out);
    CHECK(attempts < 3);
}

TEST_CASE("a call that is asked to stop allocates nothing") {
    Five five;
    std::stop_source stop;
    const auto stopped = five.run(
        [&](CallContext&) -> Outcome<int> {
            stop.request_stop();
            return fail(Errc::cancelled);
        },
        stop.get_token()
    );
    CHECK(stopped.made == 0);
    CHECK(five.bulkhead.snapshot().in_use == 0);
}

TEST_CASE("a refusal by a rate limit before five policies allocates nothing") {
    Five five;
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1}};
    auto pipeline =
        Pipeline{Deadline{1s}, Retry{}, bucket, five.breaker, five.bulkhead}.with(
            testing::VirtualEnvironment{five.clock, five.random}
        );
    REQUIRE(pipeline.run([](CallContext&) { return 1; }));
    const testing::AllocationCounter counter;
    const Outcome<int> refused = pipeline.run([](CallContext&) { return 1; });
    const std::uint64_t made = counter.made();
    CHECK(made == 0);
    CHECK(refused.error() == Errc::rate_limited);
}

TEST_CASE("a pipeline whose results are error codes refuses without allocating") {
    Five five{opens_after(1)};
    auto pipeline =
        Pipeline{five.breaker}.with(testing::VirtualEnvironment{five.clock, five.random});
    const testing::AllocationCounter counter;
    const std::error_code failed =
        pipeline.run([](CallContext&) { return make_error_code(Errc::unavailable); });
    const std::error_code refused =
        pipeline.run([](CallContext&) { return std::error_code{}; });
    const std::uint64_t made = counter.made();
    CHECK(made == 0);
    CHECK(failed == Errc::unavailable);
    CHECK(refused == Errc::circuit_open);
}
