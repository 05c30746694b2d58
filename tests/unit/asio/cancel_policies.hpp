// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_ASIO_CANCEL_POLICIES_HPP
#define RESILIENCE_TESTS_UNIT_ASIO_CANCEL_POLICIES_HPP

#include <resilience/adaptive_limit.hpp>
#include <resilience/asio/pipeline.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/throttle.hpp>
#include <resilience/token_bucket.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>

namespace resilience {

/// What pipelines are made of that are struck at each suspension, new for each run. A
/// permit that leaks shows: there is one slot, one place in the limit and one probe,
/// whose lease is longer than the look at it.
struct CancelPolicies {
    /// A fallback's coroutine.
    struct Other {
        testing::ScriptedOperation<int>* operation;

        net::awaitable<Result<int>> operator()() const { return (*operation)(); }
    };

    explicit CancelPolicies(TimePoint now)
        : limit({.initial = 1, .floor = 1, .ceiling = 1}, {}, now),
          budget(
              {.ratio = 0,
               .min_per_sec = 0,
               .cap = 500,
               .initial = 500,
               .success_refund = 0},
              now
          ) {
        breaker.try_acquire(now - std::chrono::hours{2})
            .done(Verdict::transient, now - std::chrono::hours{2});
        REQUIRE(breaker.state(now) == CircuitState::half_open);
        const std::chrono::milliseconds tens{10};
        operation.fail_after(tens, fail(Errc::unavailable))
            .succeed_after(std::chrono::seconds{3}, 1);
        other.succeed_after(tens, 2);
    }

    CircuitBreaker<> breaker{
        {.window = ConsecutiveWindowOptions{},
         .consecutive_failures = 1,
         .open_for = std::chrono::minutes{30},
         .probes = 1,
         .close_after = 1,
         .probe_lease = std::chrono::hours{1}}};
    Bulkhead<> bulkhead{{.limit = 1, .queue = 4, .max_wait = std::chrono::hours{1}}};
    AdaptiveLimit<> limit;
    TokenBucket bucket;
    Throttle<> throttle;
    RetryBudget budget;
    Hedge<> hedge{{.delay = std::chrono::milliseconds{5}, .idempotent = true}, budget};
    Chaos<> chaos{{.latency_rate = 1, .latency = std::chrono::milliseconds{5}}};
    /// What pipelines run; or what they submit elsewhere, by the number of times.
    testing::ScriptedOperation<int> operation;
    std::size_t submitted = 0;
    testing::ScriptedOperation<int> other;
    Fallback<Other> fallback{Other{&other}};

    Retry<> three_attempts() {
        return Retry{
            {.attempts = 3,
             .base = std::chrono::seconds{1},
             .jitter = Jitter::none,
             .idempotent = true},
            &budget};
    }

    static Timeout<> attempt_timeout() {
        return Timeout{{.limit = std::chrono::seconds{2}}};
    }

    /// Sees that nothing is left behind by a call that began at `start`.
    void check(TimePoint start) {
        CHECK(operation.in_flight() == 0);
        CHECK(other.in_flight() == 0);
        CHECK(bulkhead.snapshot().in_use == 0);
        CHECK(bulkhead.snapshot().waiting == 0);
        CHECK(static_cast<bool>(bulkhead.try_acquire()));
        CHECK(limit.snapshot().in_flight == 0);
        CHECK(static_cast<bool>(limit.try_acquire(start)));
        INFO("the one probe is free again, or the circuit may be probed anew");
        CHECK(static_cast<bool>(breaker.try_acquire(start + std::chrono::minutes{31})));
    }

    /// Each attempt after the first is paid for; and so is one that began, but did not
    /// come as far as the operation.
    void check_budget(TimePoint start) {
        const auto after_first = [](auto n) {
            return n > 1 ? static_cast<double>(n) - 1 : 0;
        };
        const double sent = after_first(operation.calls() + submitted);
        const double begun = std::max(sent, after_first(chaos.snapshot().delayed)) +
                             static_cast<double>(hedge.snapshot().hedges);
        const double paid = (500 - budget.snapshot(start).available) / 14;
        CHECK(paid >= sent);
        CHECK(paid <= begun);
    }
};

/// Keeps the one slot for a while, so that it is waited for.
inline net::awaitable<void> hold_slot_for(
    Bulkhead<>& bulkhead, std::chrono::nanoseconds time
) {
    auto slot = bulkhead.try_acquire();
    const net::any_io_executor executor = co_await net::this_coro::executor;
    Timer timer{executor};
    (void)co_await timer.async_wait_until(timer.now() + time);
    std::move(slot).done(Verdict::success, timer.now());
}

/// Strikes what `make(policies)` makes around `begin(policies, context)`, and sees that
/// nothing is left behind; so does `check(run)`.
template <class Make, class Begin, class Check>
void strike_everywhere(Make make, Begin begin, Check check) {
    std::optional<CancelPolicies> policies;
    TimePoint start;
    const auto scenario = [&](testing::VirtualTime& time) -> net::awaitable<void> {
        policies.emplace(time.now());
        start = time.now();
        net::co_spawn(
            time.context(),
            hold_slot_for(policies->bulkhead, std::chrono::milliseconds{500}),
            net::detached
        );
        auto pipeline = make(*policies);
        (void)co_await co_run(pipeline, [&](CallContext& context) {
            return begin(*policies, context);
        });
    };
    const auto check_all = [&](const testing::CancelledRun& run) {
        CAPTURE(static_cast<int>(run.blow));
        CAPTURE(run.step);
        if (run.blow == testing::Blow::none && run.error) {
            std::rethrow_exception(run.error);
        }
        policies->check(start);
        policies->check_budget(start);
        check(run);
    };
    const testing::CancelReport report = testing::cancel_everywhere(scenario, check_all);
    CHECK(report.points > 0);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
}

/// The same around the policies' own operation.
template <class Make>
void strike_everywhere(Make make) {
    strike_everywhere(
        make,
        [](CancelPolicies& p, CallContext&) { return p.operation(); },
        [](const testing::CancelledRun&) {}
    );
}

}  // namespace resilience

#endif
