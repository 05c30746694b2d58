// SPDX-License-Identifier: MIT
// Every pair of policies, and all of them together, struck at each suspension: by each
// type of cancellation and by the destruction of the io_context.
#include <resilience/asio/pipeline.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/throttle.hpp>
#include <resilience/token_bucket.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <doctest/doctest.h>

#include <optional>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

/// What the pipelines are made of, new for each run. A permit that leaks shows: there is
/// one slot and one probe, and its lease is longer than the look at it.
struct Policies {
    explicit Policies(TimePoint now)
        : budget(
              {.ratio = 0,
               .min_per_sec = 0,
               .cap = 500,
               .initial = 500,
               .success_refund = 0},
              now
          ) {
        breaker.try_acquire(now - 2h).done(Verdict::transient, now - 2h);
        REQUIRE(breaker.state(now) == CircuitState::half_open);
    }

    CircuitBreaker<> breaker{
        {.window = ConsecutiveWindowOptions{},
         .consecutive_failures = 1,
         .open_for = 30min,
         .probes = 1,
         .close_after = 1,
         .probe_lease = 1h}};
    Bulkhead<> bulkhead{{.limit = 1, .queue = 4, .max_wait = 1h}};
    TokenBucket bucket;
    Throttle<> throttle;
    RetryBudget budget;
    testing::ScriptedOperation<int> operation;
};

net::awaitable<void> hold_slot_for(Bulkhead<>& bulkhead, std::chrono::nanoseconds time) {
    auto slot = bulkhead.try_acquire();
    const net::any_io_executor executor = co_await net::this_coro::executor;
    Timer timer{executor};
    (void)co_await timer.async_wait_until(timer.now() + time);
    std::move(slot).done();
}

Retry<> three_attempts(Policies& p) {
    return Retry{
        {.attempts = 3, .base = 1s, .jitter = Jitter::none, .idempotent = true},
        &p.budget};
}

/// Strikes what `make(policies)` makes, and sees that nothing is left behind.
template <class Make>
void strike_everywhere(Make make) {
    std::optional<Policies> policies;
    TimePoint start;
    const auto scenario = [&](testing::VirtualTime& time) -> net::awaitable<void> {
        policies.emplace(time.now());
        start = time.now();
        policies->operation.fail_after(10ms, fail(Errc::unavailable))
            .succeed_after(3s, 1);
        net::co_spawn(
            time.context(), hold_slot_for(policies->bulkhead, 500ms), net::detached
        );
        auto pipeline = make(*policies);
        (void
        )co_await co_run(pipeline, [&](CallContext&) { return policies->operation(); });
    };
    const auto check = [&](const testing::CancelledRun& run) {
        CAPTURE(static_cast<int>(run.blow));
        CAPTURE(run.step);
        if (run.blow == testing::Blow::none && run.error)
            std::rethrow_exception(run.error);
        CHECK(policies->operation.in_flight() == 0);
        CHECK(policies->bulkhead.snapshot().in_use == 0);
        CHECK(policies->bulkhead.snapshot().waiting == 0);
        CHECK(static_cast<bool>(policies->bulkhead.try_acquire()));
        INFO("the one probe is free again, or the circuit may be probed anew");
        CHECK(static_cast<bool>(policies->breaker.try_acquire(start + 31min)));
        const auto calls = static_cast<double>(policies->operation.calls());
        const double retries = calls > 1 ? calls - 1 : 0;
        INFO("the budget pays for what was sent");
        CHECK(policies->budget.snapshot(start).available == 500 - 14 * retries);
    };
    const testing::CancelReport report = testing::cancel_everywhere(scenario, check);
    CHECK(report.points > 0);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
}

Timeout<> attempt_timeout() { return Timeout{{.limit = 2s}}; }

}  // namespace

TEST_CASE("cancelled anywhere, each policy alone gives back what it lent") {
    strike_everywhere([](Policies&) { return Pipeline{Deadline{20s}}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{NoDeadline{}, three_attempts(p)};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bulkhead}; });
    strike_everywhere([](Policies&) { return Pipeline{attempt_timeout()}; });
}

TEST_CASE("cancelled anywhere, a deadline and another policy give back what they lent") {
    strike_everywhere([](Policies& p) {
        return Pipeline{Deadline{20s}, three_attempts(p)};
    });
    strike_everywhere([](Policies& p) {
        return Pipeline{Deadline{1s}, three_attempts(p)};
    });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.bucket}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.throttle}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{100ms}, p.bulkhead}; });
    strike_everywhere([](Policies&) {
        return Pipeline{Deadline{1s}, attempt_timeout()};
    });
}

TEST_CASE("cancelled anywhere, a retry and another policy give back what they lent") {
    const NoDeadline none;
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.bucket};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.throttle};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.breaker};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.bulkhead};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), attempt_timeout()};
    });
}

TEST_CASE("cancelled anywhere, two guards give back what they lent") {
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.throttle}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.bulkhead}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, attempt_timeout()}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle, p.bulkhead}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.throttle, attempt_timeout()};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker, p.bulkhead}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{AsListed{}, p.bulkhead, p.breaker};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker, attempt_timeout()}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.bulkhead, attempt_timeout()};
    });
}

TEST_CASE("cancelled anywhere, all policies together give back what they lent") {
    strike_everywhere([](Policies& p) {
        return Pipeline{
            Deadline{20s},
            three_attempts(p),
            p.bucket,
            p.throttle,
            p.breaker,
            p.bulkhead,
            attempt_timeout()};
    });
}
