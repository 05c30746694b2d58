// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "unit/core/circuit_calls.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

TEST_CASE("a probe that is lost does not hold the circuit half-open (resilience4j#1389)"
) {
    CircuitBreakerOptions options = quick();
    options.probes = 200;
    options.close_after = 200;
    CircuitBreaker breaker{options};
    open(breaker);
    std::vector<CircuitBreaker<>::Permit> permits;
    const TimePoint later = t0 + 1s;
    for (int i = 0; i < 200; ++i) permits.push_back(breaker.try_acquire(later));
    for (int i = 0; i < 199; ++i) std::move(permits[i]).done(Verdict::success, later);
    CHECK_FALSE(breaker.try_acquire(later));
    // The last one never reports. Its lease runs out, and a new round begins.
    const TimePoint expired = later + options.probe_lease + 64ms;
    for (int i = 0; i < 200; ++i) CHECK(call(breaker, Verdict::success, expired));
    CHECK(breaker.state(expired) == CircuitState::closed);
    std::move(permits[199]).done(Verdict::transient, expired);
    CHECK(breaker.snapshot(expired).counts == CallCounts{});
}

TEST_CASE("a call that throws gives its probe back (Polly#1979)") {
    CircuitBreaker breaker{quick()};
    open(breaker);
    const TimePoint later = t0 + 1s;
    const auto thrower = [&] {
        auto permit = breaker.try_acquire(later);
        REQUIRE(permit);
        throw std::runtime_error{"unexpected"};
    };
    CHECK_THROWS_AS(thrower(), std::runtime_error);
    CHECK(breaker.state(later) == CircuitState::half_open);
    CHECK(breaker.snapshot(later).probes_in_flight == 0);
    CHECK(call(breaker, Verdict::success, later));
    CHECK(breaker.state(later) == CircuitState::closed);
}

TEST_CASE("no more probes are under way than allowed (resilience4j#1432, Polly#216)") {
    CircuitBreakerOptions options = quick();
    options.probes = 3;
    CircuitBreaker breaker{options};
    open(breaker);
    const TimePoint later = t0 + 1s;
    std::vector<CircuitBreaker<>::Permit> permits;
    for (int i = 0; i < 50; ++i) permits.push_back(breaker.try_acquire(later));
    int admitted = 0;
    for (const auto& permit : permits) admitted += permit ? 1 : 0;
    CHECK(admitted == 3);
    CHECK(breaker.snapshot(later).probes_in_flight == 3);
    CHECK(breaker.try_acquire(later).retry_after() <= options.probe_lease + 64ms);
}

TEST_CASE("the end of a call of an earlier period decides nothing (Polly#216)") {
    CircuitBreaker breaker{quick()};
    auto early = breaker.try_acquire(t0);
    auto late = breaker.try_acquire(t0);
    open(breaker);
    std::move(early).done(Verdict::success, t0);
    CHECK(breaker.state(t0) == CircuitState::open);
    auto probe = breaker.try_acquire(t0 + 1s);
    std::move(late).done(Verdict::success, t0 + 1s);
    CHECK(breaker.state(t0 + 1s) == CircuitState::half_open);
    CHECK(breaker.snapshot(t0 + 1s).probes_in_flight == 1);
    std::move(probe).done(Verdict::success, t0 + 1s);
    CHECK(breaker.state(t0 + 1s) == CircuitState::closed);
}

TEST_CASE("failures of calls that began before a reset count for nothing") {
    CircuitBreaker breaker{quick()};
    std::vector<CircuitBreaker<>::Permit> permits;
    for (int i = 0; i < 10; ++i) permits.push_back(breaker.try_acquire(t0));
    breaker.reset();
    for (auto& permit : permits) std::move(permit).done(Verdict::transient, t0);
    CHECK(breaker.state(t0) == CircuitState::closed);
    CHECK(breaker.snapshot(t0).counts == CallCounts{});
}

TEST_CASE("a cancelled call is neither success nor failure (resilience4j#682, #1624)") {
    CircuitBreaker breaker{quick()};
    for (int i = 0; i < 50; ++i) {
        CHECK(call(breaker, Verdict::abandoned));
        CHECK(call(breaker, Verdict::ignored));
        CHECK(breaker.try_acquire(t0));
    }
    CHECK(breaker.snapshot(t0).counts == CallCounts{});
    open(breaker);
    for (int i = 0; i < 50; ++i) CHECK(call(breaker, Verdict::abandoned, t0 + 1s));
    CHECK(breaker.state(t0 + 1s) == CircuitState::half_open);
}

TEST_CASE(
    "a refusal of a limit of this process never opens the circuit "
    "(resilience4j#1657)"
) {
    CircuitBreaker breaker{quick()};
    for (const Errc e :
         {Errc::bulkhead_full,
          Errc::circuit_open,
          Errc::rate_limited,
          Errc::queue_full,
          Errc::shed}) {
        for (int i = 0; i < 10; ++i) call(breaker, classify(make_error_code(e)).verdict);
    }
    CHECK(breaker.state(t0) == CircuitState::closed);
    CHECK(breaker.snapshot(t0).counts == CallCounts{});
}

TEST_CASE("callers that always give up early are seen if so wished (resilience4j#1428)") {
    CircuitBreakerOptions options = quick();
    options.slow_ratio = 0.5;
    options.slow_after = 100ms;
    options.count_slow_abandoned = true;
    CircuitBreaker breaker{options};
    for (int i = 0; i < 2; ++i) breaker.try_acquire(t0).abandon(t0 + 99ms);
    CHECK(breaker.state(t0) == CircuitState::closed);
    for (int i = 0; i < 2; ++i) breaker.try_acquire(t0).abandon(t0 + 100ms);
    CHECK(breaker.state(t0 + 100ms) == CircuitState::open);
    breaker.reset();
    options.count_slow_abandoned = false;
    breaker.reconfigure(options);
    for (int i = 0; i < 4; ++i) breaker.try_acquire(t0).abandon(t0 + 100ms);
    CHECK(breaker.state(t0 + 100ms) == CircuitState::closed);
}

TEST_CASE("a permit that is destroyed late was slow, by the clock that decides") {
    CircuitBreaker breaker{{.slow_after = 1min, .count_slow_abandoned = true}};
    { auto permit = breaker.try_acquire(Clock::now() - 1h); }
    CHECK(breaker.snapshot().counts == CallCounts{1, 0, 1, 0});
    { auto permit = breaker.try_acquire(); }
    CHECK(breaker.snapshot().counts == CallCounts{1, 0, 1, 0});
}

TEST_CASE("one bad probe of several does not reopen, unless so wished (gobreaker#53)") {
    CircuitBreakerOptions options = quick();
    options.probes = 5;
    options.close_after = 3;
    {
        CircuitBreaker breaker{options};
        open(breaker);
        const TimePoint later = t0 + 1s;
        call(breaker, Verdict::transient, later);
        call(breaker, Verdict::transient, later);
        CHECK(breaker.state(later) == CircuitState::half_open);
        SUBCASE("three good ones close it") {
            for (int i = 0; i < 3; ++i) CHECK(call(breaker, Verdict::success, later));
            CHECK(breaker.state(later) == CircuitState::closed);
        }
        SUBCASE("a third bad one reopens it: the rest could not close it") {
            call(breaker, Verdict::transient, later);
            CHECK(breaker.state(later) == CircuitState::open);
        }
    }
    options.reopen_after = 1;
    CircuitBreaker brittle{options};
    open(brittle);
    call(brittle, Verdict::transient, t0 + 1s);
    CHECK(brittle.state(t0 + 1s) == CircuitState::open);
}

TEST_CASE("a gauge tells half-open without a call (Polly#481), and poll makes it so") {
    CircuitLog log;
    CircuitBreaker breaker{quick(), CircuitRecorder{&log}};
    open(breaker);
    CHECK(breaker.state(t0 + 1s) == CircuitState::half_open);
    CHECK(breaker.snapshot(t0 + 1s).state == CircuitState::half_open);
    CHECK(log.transitions.size() == 1);
    CHECK(breaker.poll(t0 + 999ms) == CircuitState::open);
    CHECK(breaker.poll(t0 + 1s) == CircuitState::half_open);
    CHECK(log.transitions.size() == 2);
    CHECK(breaker.poll(t0 + 2s) == CircuitState::half_open);
    CHECK(log.transitions.size() == 2);
    CHECK(call(breaker, Verdict::success, t0 + 2s));
}

TEST_CASE("a functor that throws opens nothing and leaks nothing") {
    CircuitLog log;
    CircuitBreaker breaker{
        {.failure_ratio = 0,
         .trip_if = [](const CallCounts&) -> bool { throw std::runtime_error{"no"}; }},
        CircuitRecorder{&log}};
    CHECK(call(breaker, Verdict::transient));
    CHECK(call(breaker, Verdict::transient));
    CHECK(breaker.state(t0) == CircuitState::closed);
    CHECK(breaker.snapshot(t0).counts.failures == 2);
    CHECK(log.threw.size() == 2);
}

TEST_CASE("a functor may call the breaker") {
    std::optional<CircuitBreaker<>> breaker;
    int asked = 0;
    CircuitBreakerOptions options{.failure_ratio = 0};
    options.trip_if = [&](const CallCounts&) {
        ++asked;
        breaker->force_open();
        return true;
    };
    breaker.emplace(options);
    call(*breaker, Verdict::transient);
    CHECK(asked == 1);
    CHECK(breaker->state(t0) == CircuitState::forced_open);
}

namespace {

/// Calls the breaker back for each event, as a careless user may.
struct Caller {
    std::function<void()>* call;
    void on(const CircuitTransition&) noexcept { (*call)(); }
    void on(const CircuitRefused&) noexcept { (*call)(); }
};

}  // namespace

TEST_CASE(
    "an observer may call the breaker for each event (gobreaker's callback under "
    "its mutex)"
) {
    std::function<void()> back;
    CircuitBreaker breaker{quick(), Caller{&back}};
    int depth = 0;
    int events = 0;
    back = [&] {
        ++events;
        if (depth > 1) return;
        ++depth;
        (void)breaker.snapshot(t0);
        call(breaker, Verdict::transient, t0);
        CircuitBreakerOptions other = quick();
        other.window = CountWindowOptions{.calls = depth == 1 ? 8u : 9u};
        breaker.reconfigure(other);
        breaker.reset();
        --depth;
    };
    for (int i = 0; i < 20; ++i) call(breaker, Verdict::transient, t0);
    CHECK(events > 5);
    CHECK(breaker.snapshot(t0).probes_in_flight == 0);
}

TEST_CASE("a slow start refuses part of the calls, and in the end none (brpc#709)") {
    CircuitBreakerOptions options = quick();
    options.slow_start = 10s;
    options.slow_start_share = 0.1;
    CircuitBreaker breaker{options};
    open(breaker);
    const TimePoint back = t0 + 1s;
    call(breaker, Verdict::success, back);
    CHECK(breaker.state(back) == CircuitState::closed);
    const auto share_at = [&](TimePoint now) {
        int admitted = 0;
        for (std::uint64_t i = 0; i < 100; ++i) {
            const std::uint64_t hundredth = ~std::uint64_t{0} / 100;
            auto permit = breaker.try_acquire(now, i * hundredth + hundredth / 2);
            admitted += permit ? 1 : 0;
            if (!permit) CHECK(permit.retry_after() == back + 10s - now);
        }
        return admitted;
    };
    CHECK(share_at(back) == 10);
    CHECK(share_at(back + 5s) == 55);
    CHECK(share_at(back + 10s) == 100);
    for (int i = 0; i < 1000; ++i) CHECK(breaker.try_acquire(back + 10s));
}
