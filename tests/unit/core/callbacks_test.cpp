// SPDX-License-Identifier: MIT
// What users hand to policies may throw where that is said, block, and call the policy
// back: no deadlock, and nothing is leaked.
#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "unit/core/callbacks.hpp"

using namespace resilience;
using namespace resilience::testing;
using namespace std::chrono_literals;

namespace {

CircuitBreakerOptions opens_at_once() {
    return {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 1};
}

/// A functor that calls back when it is copied or destroyed, but not for what that does.
class Handed {
public:
    explicit Handed(std::function<void()>& call) : call_{&call} {}
    Handed(const Handed& other) : call_{other.call_} { back(); }
    Handed& operator=(const Handed&) = delete;
    ~Handed() { back(); }

    bool operator()(const CallCounts&) const { return false; }

private:
    void back() const {
        if (auto again = std::exchange(*call_, nullptr)) {
            again();
            *call_ = std::move(again);
        }
    }

    std::function<void()>* call_;
};

}  // namespace

TEST_CASE("a trip functor that blocks holds up its own call alone") {
    Gate gate;
    CircuitBreakerOptions options{.failure_ratio = 0};
    options.trip_if = [&](const CallCounts&) {
        gate.pass();
        return false;
    };
    CircuitBreaker breaker{options};
    std::thread blocked{[&] { call(breaker, Verdict::transient); }};
    gate.await();
    call(breaker, Verdict::transient);
    CHECK(breaker.snapshot(kStart).counts.failures == 2);
    breaker.force_open();
    CHECK_FALSE(breaker.try_acquire(kStart));
    breaker.reconfigure(opens_at_once());
    breaker.reset();
    gate.open();
    blocked.join();
    CHECK(breaker.try_acquire(kStart));
}

TEST_CASE("a trip functor that calls the breaker when it is copied or destroyed may") {
    std::function<void()> back;
    CircuitBreakerOptions options;
    options.trip_if = Handed{back};
    CircuitBreaker breaker{options};
    int called = 0;
    back = [&] {
        // Another change each time, and one that was in force before.
        breaker.reconfigure({.open_for = std::chrono::seconds{100 + ++called}});
        breaker.reconfigure(opens_at_once());
    };
    breaker.reconfigure({.open_for = 1min});
    CHECK(called > 1);
    const int before = called;
    breaker.reconfigure({.open_for = 1min});
    CHECK(called > before);
    back = nullptr;
    breaker.reconfigure({.open_for = 1min});
    CHECK(breaker.options().open_for == 1min);
}

TEST_CASE("an observer that blocks holds up its own call alone") {
    Gate gate;
    AdaptiveLimit<Blocking> limit{{.initial = 1, .ceiling = 1}, Blocking{&gate}, kStart};
    auto held = limit.try_acquire(kStart);
    std::thread blocked{[&] { call(limit, Verdict::success); }};  // refused
    gate.await();
    CHECK_FALSE(limit.try_acquire(kStart));
    std::move(held).done(Verdict::success, kStart);
    CHECK(limit.try_acquire(kStart));
    limit.reconfigure(limit.options(), kStart);
    gate.open();
    blocked.join();
    CHECK(limit.snapshot().in_flight == 0);

    Gate second;
    Bulkhead<Blocking> bulkhead{{.limit = 1}, Blocking{&second}};
    auto slot = bulkhead.try_acquire();
    std::thread refused{[&] { call(bulkhead, Verdict::success); }};
    second.await();
    std::move(slot).done();
    CHECK(bulkhead.try_acquire());
    bulkhead.reconfigure(2);
    second.open();
    refused.join();
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("an observer may call the throttle or limit or timeout that tells it") {
    std::function<void()> again;
    int events = 0;
    Throttle<Back> throttle{{.grace = 0}, Back{&again, &events}, kStart};
    again = [&] {
        call(throttle, Verdict::transient);
        throttle.reconfigure(throttle.options(), kStart);
    };
    for (int i = 0; i < 200; ++i) call(throttle, Verdict::transient);
    CHECK(events > 10);
    CHECK(throttle.snapshot(kStart).requests > 200);

    events = 0;
    AdaptiveLimit<Back> limit{
        {.initial = 4, .window = 1ms, .min_samples = 1}, Back{&again, &events}, kStart};
    again = [&] {
        CHECK(limit.snapshot().limit >= 1);
        limit.reconfigure(limit.options(), kStart);
        { const auto dropped = limit.try_acquire(kStart); }
    };
    for (int i = 1; i < 200; ++i) {
        const TimePoint now = kStart + i * 2ms;
        auto permit = limit.try_acquire(now);
        if (permit) {
            std::move(permit).done(
                i % 2 == 0 ? Verdict::transient : Verdict::success, now + 1ms
            );
        }
    }
    CHECK(events > 0);
    CHECK(limit.snapshot().in_flight == 0);

    events = 0;
    Timeout<Back> timeout{{.limit = 1s}, Back{&again, &events}};
    again = [&] { timeout.reconfigure({.limit = 2s}); };
    timeout.judge_late({Verdict::transient, true});
    CHECK(events == 1);
    CHECK(timeout.options().limit == 2s);
}

TEST_CASE("an observer may call the hedge or pool that tells it") {
    std::function<void()> again;
    int events = 0;
    RetryBudget budget{{.min_per_sec = 0, .initial = 14}, kStart};
    Hedge<Back> hedge{{.idempotent = true}, budget, Back{&again, &events}};
    again = [&] {
        (void)hedge.try_start(2, kStart);
        hedge.reconfigure(hedge.options());
    };
    CHECK(hedge.try_start(1, kStart));
    CHECK(events == 2);
    CHECK(hedge.snapshot().suppressed == 1);

    events = 0;
    std::latch ran{1};
    WorkerPool<Back> pool{{.threads = 1}, Back{&again, &events}};
    again = [&, first = true]() mutable {
        CHECK(pool.snapshot().submitted > 0);
        if (std::exchange(first, false)) {
            CHECK(pool.try_submit([&] { ran.count_down(); }));
        }
    };
    REQUIRE(pool.try_submit([] { throw std::runtime_error{"task"}; }));
    ran.wait();
    CHECK(pool.drain(TimePoint::max()).clean());
}

TEST_CASE("an operation and an observer may run the pipeline that runs them") {
    testing::ManualClock clock;
    Random random{1};
    std::function<void()> again;
    int events = 0;
    RetryBudget budget{{.min_per_sec = 0}, clock.now()};
    CircuitBreaker breaker;
    Bulkhead bulkhead{{.limit = 2}};
    Retry<Back> retry{{.attempts = 2}, &budget, Back{&again, &events}};
    auto pipeline =
        Pipeline{Deadline{1h}, retry, breaker, bulkhead}.with(testing::VirtualEnvironment{
            clock, random});
    again = [&] {
        const auto ended = pipeline.run([](CallContext&) { return 7; });
        CHECK((ended || ended.error() == Errc::bulkhead_full));
    };
    const auto nested = pipeline.run([&](CallContext& c) -> Outcome<int> {
        const auto inner = pipeline.run([&](CallContext&) -> Outcome<int> {
            // The third at once finds no slot: refused, instead of waiting for itself.
            const auto third = pipeline.run([](CallContext&) { return 3; });
            CHECK(third.error() == Errc::bulkhead_full);
            return 2;
        });
        CHECK(*inner == 2);
        if (c.attempt == 1) return fail(Errc::unavailable);
        return 1;
    });
    CHECK(*nested == 1);
    CHECK(events > 0);
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(breaker.state(clock.now()) == CircuitState::closed);
}

TEST_CASE("whichever attempt throws, nothing of five policies is leaked") {
    testing::ManualClock clock;
    Random random{1};
    RetryBudget budget{{.ratio = 0, .min_per_sec = 0, .initial = 70}, clock.now()};
    CircuitBreaker breaker;
    Bulkhead bulkhead{{.limit = 1}};
    auto pipeline = Pipeline{
        Deadline{1h},
        Retry{{.attempts = 3}, &budget},
        breaker,
        bulkhead,
        Timeout{}}.with(testing::VirtualEnvironment{clock, random});
    for (std::uint32_t last = 1; last <= 3; ++last) {
        const double before = budget.snapshot(clock.now()).available;
        const auto throws = [&](CallContext& c) -> Outcome<int> {
            if (c.attempt < last) return fail(Errc::unavailable);
            throw std::logic_error{"attempt"};
        };
        CHECK_THROWS_WITH_AS((void)pipeline.run(throws), "attempt", std::logic_error);
        CHECK(bulkhead.snapshot().in_use == 0);
        CHECK(budget.snapshot(clock.now()).available == before - 14.0 * (last - 1));
        breaker.reset();
        CHECK(pipeline.run([](CallContext&) { return 1; }));
    }
}

TEST_CASE("an alternative may use the fallback that asks for it") {
    struct Self {
        std::function<Outcome<int>()>* work;
        Outcome<int> operator()(const FallbackCause&) const { return (*work)(); }
    };
    std::function<Outcome<int>()> work;
    Fallback fallback{Self{&work}};
    const auto fails = [] { return Outcome<int>{fail(Errc::unavailable)}; };
    int depth = 0;
    work = [&] {
        if (++depth == 2) return Outcome<int>{42};
        return fallback.run(fails);
    };
    CHECK(*fallback.run(fails) == 42);
    CHECK(fallback.snapshot().used == 2);
    CHECK(fallback.snapshot().failed == 0);
}

TEST_CASE("an outcome of chaos that throws leaves the pipeline, and leaks nothing") {
    const auto throws = []() -> Outcome<int> { throw std::runtime_error{"outcome"}; };
    Chaos chaos{{.outcome_rate = 1}, throws};
    Bulkhead bulkhead{{.limit = 1}};
    Pipeline pipeline{bulkhead, chaos};
    const auto one = [](CallContext&) { return Outcome<int>{1}; };
    for (int i = 0; i < 3; ++i) {
        CHECK_THROWS_WITH_AS((void)pipeline.run(one), "outcome", std::runtime_error);
    }
    CHECK(bulkhead.snapshot().in_use == 0);
    chaos.enable(false);
    CHECK(pipeline.run(one));
}
