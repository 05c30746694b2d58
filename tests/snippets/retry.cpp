// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/outcome.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/registry.hpp>
#include <resilience/retry.hpp>
#include <resilience/retry_state.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

//[by-hand
std::error_code call_with_retries(
    const RetryPolicy& policy,
    RetryBudget& budget,
    TimePoint deadline,
    const std::function<std::error_code()>& call,
    const std::function<void(std::chrono::nanoseconds)>& wait
) {
    budget.deposit();
    RetryState state{policy};
    BudgetLease lease;  // the first attempt costs nothing
    for (;;) {
        lease.sent();
        const std::error_code error = call();
        const Classification end = classify(error);
        std::move(lease).done(end.verdict);
        RetryDecision again =
            state.next(end, Clock::now(), deadline, thread_random()(), &budget);
        if (!again) return error;        // again.stop says why
        lease = std::move(again.lease);  // dropped in the wait, it is refunded
        wait(again.delay);
    }
}
//]

//[log
struct RetryLog {
    std::uint64_t* retries;
    std::uint64_t* given_up;
    void on(const Retried&) noexcept { ++*retries; }
    void on(const RetryStopped& event) noexcept {
        if (event.reason != RetryStop::succeeded) ++*given_up;
    }
};
//]

}  // namespace

TEST_CASE("docs/retry.md: a loop by hand") {
    const RetryPolicy policy{{.attempts = 3, .base = 50ms}};
    RetryBudget budget;
    int calls = 0;
    int waits = 0;
    const auto result = call_with_retries(
        policy,
        budget,
        RetryState::no_deadline,
        [&] {
            return ++calls < 3 ? std::make_error_code(std::errc::connection_refused)
                               : std::error_code{};
        },
        [&](std::chrono::nanoseconds delay) {
            CHECK(delay <= 100ms);
            ++waits;
        }
    );
    CHECK_FALSE(result);
    CHECK(calls == 3);
    CHECK(waits == 2);
}

TEST_CASE("docs/retry.md: in a pipeline") {
    int calls = 0;
    const auto fetch = [&](TimePoint) {
        ++calls;
        return Outcome<int>{42};
    };
    //[pipeline
    RetryBudget budget;  // one for all calls to this peer
    CircuitBreaker breaker;
    Pipeline orders{
        Deadline{800ms},
        Retry{{.attempts = 3, .base = 50ms, .idempotent = true}, &budget},
        breaker};
    Outcome<int> order = orders.run([&](CallContext& c) { return fetch(c.deadline); });
    //]
    CHECK(*order == 42);
    CHECK(calls == 1);
}

TEST_CASE("docs/retry.md: changed in use") {
    CircuitBreaker breaker;
    RetryBudget budget;
    Registry registry;
    //[reconfigure
    const RetryOptions usual{.attempts = 3, .idempotent = true};
    auto retry = std::make_shared<Retry<>>(usual, &budget);
    Pipeline orders{Deadline{800ms}, *retry, breaker};
    const std::error_code error = registry.add("orders", retry);
    // Later, while the peer recovers:
    registry.reconfigure<Retry<>>("orders", {.attempts = 1});
    //]
    CHECK(!error);
    int calls = 0;
    const auto failure = std::make_error_code(std::errc::connection_refused);
    const auto fail_once_more = [&](CallContext&) {
        ++calls;
        return failure;
    };
    CHECK(orders.run(fail_once_more) == failure);
    CHECK(calls == 1);
    retry->reconfigure(usual);
    CHECK(retry->snapshot().reconfigured == 1);
}

TEST_CASE("docs/retry.md: named settings") {
    //[presets
    const RetryPolicy webhooks{RetryOptions::integration_http()};  // 500 ms, 1 s, 2 s
    const RetryPolicy mail{RetryOptions::mail_delivery()};  // 100 ms to 30 s, jittered
    //]
    CHECK(webhooks.next(2, 0) == 1s);
    CHECK(mail.options().attempts == 5);
}

TEST_CASE("docs/retry.md: a loop without an end") {
    std::uint32_t failed = 3;
    //[reconnect
    const RetryPolicy reconnect{{.base = 50ms, .cap = 5s, .jitter = Jitter::equal}};
    const auto pause = reconnect.delay(failed, thread_random()());
    //]
    CHECK(pause >= 100ms);
    CHECK(pause <= 200ms);
}

TEST_CASE("docs/retry.md: events") {
    std::uint64_t retries = 0;
    std::uint64_t given_up = 0;
    Retry retry{{.attempts = 2, .base = 1ns}, nullptr, RetryLog{&retries, &given_up}};
    Pipeline pipeline{NoDeadline{}, retry};
    const auto failure = std::make_error_code(std::errc::connection_refused);
    CHECK(pipeline.run([&](CallContext&) { return failure; }) == failure);
    CHECK(retries == 1);
    CHECK(given_up == 1);
}
