// SPDX-License-Identifier: MIT
// What docs/circuit-breaker.md shows.
#include <resilience/circuit_breaker.hpp>
#include <resilience/error.hpp>
#include <resilience/shared_circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;

namespace {

std::error_code answer;
int sent = 0;

std::error_code send(const std::string&) {
    ++sent;
    return answer;
}

//[use
using resilience::CircuitBreaker;

resilience::Failure send_mail(CircuitBreaker<>& breaker, const std::string& mail) {
    auto permit = breaker.try_acquire();
    if (!permit) {
        return resilience::fail(
            resilience::Errc::circuit_open, "mail server", permit.retry_after()
        );
    }
    const std::error_code error = send(mail);
    std::move(permit).done(resilience::classify(error).verdict);
    return {error, {}};
}
//]

//[observer
struct StateGauge {
    std::atomic<int>* state;
    std::atomic<std::uint64_t>* refusals;

    void on(const resilience::CircuitTransition& e) noexcept {
        *state = static_cast<int>(e.to);
    }
    void on(const resilience::CircuitRefused&) noexcept { ++*refusals; }
};
//]

//[window
/// Weighs each call half as much as the next one. For a single thread.
class Decaying {
public:
    void record(
        std::uint32_t generation, resilience::CallOutcome outcome, resilience::TimePoint
    ) noexcept {
        if (generation != generation_) share_ = 0;
        generation_ = generation;
        share_ = (share_ + (outcome.failure ? 1000 : 0)) / 2;
    }

    resilience::CallCounts counts(std::uint32_t generation, resilience::TimePoint)
        const noexcept {
        if (generation != generation_) return {};
        return {.calls = 1000, .failures = share_};
    }

private:
    std::uint32_t generation_ = 0;
    std::uint32_t share_ = 0;
};
//]

}  // namespace

TEST_CASE("docs: a call is bracketed by a permit") {
    CircuitBreaker<> breaker{{.min_calls = 2}};
    answer = make_error_code(resilience::Errc::unavailable);
    sent = 0;
    for (int i = 0; i < 10; ++i) {
        CHECK(send_mail(breaker, "hello").code);
    }
    CHECK(sent == 2);
    CHECK(send_mail(breaker, "hello") == resilience::Errc::circuit_open);
    CHECK(send_mail(breaker, "hello").retry_after > 0s);
}

TEST_CASE("docs: the rules by which a circuit opens") {
    //[rules
    CircuitBreaker by_ratio{
        {.window = resilience::TimeWindowOptions{.length = 30s},
         .failure_ratio = 0.5,
         .slow_ratio = 0.8,
         .slow_after = 250ms,
         .min_calls = 20}};

    CircuitBreaker by_last_calls{
        {.window = resilience::CountWindowOptions{.calls = 100},
         .failure_ratio = 0.2,
         .min_calls = 50}};

    CircuitBreaker by_run{
        {.window = resilience::ConsecutiveWindowOptions{}, .consecutive_failures = 5}};

    CircuitBreaker by_functor{
        {.failure_ratio = 0, .trip_if = [](const resilience::CallCounts& counts) {
             return counts.failures >= 10 && counts.failures > counts.slow;
         }}};

    CircuitBreaker as_mailflow_documents{resilience::CircuitBreakerOptions::mailflow()};
    //]
    CHECK(as_mailflow_documents.options().open_for == 30s);
    CHECK(by_ratio.options().slow_after == 250ms);
    CHECK(by_last_calls.state() == resilience::CircuitState::closed);
    CHECK(by_run.state() == resilience::CircuitState::closed);
    CHECK(by_functor.state() == resilience::CircuitState::closed);
}

TEST_CASE("docs: a test steps through time") {
    //[time
    CircuitBreaker breaker{resilience::CircuitBreakerOptions::mailflow()};
    resilience::TimePoint now{1h};
    for (int i = 0; i < 5; ++i) {
        breaker.try_acquire(now).done(resilience::Verdict::transient, now);
    }
    CHECK(breaker.state(now) == resilience::CircuitState::open);
    CHECK(breaker.try_acquire(now).retry_after() == 30s);

    now += 30s;
    for (int i = 0; i < 2; ++i) {
        breaker.try_acquire(now).done(resilience::Verdict::success, now);
    }
    CHECK(breaker.state(now) == resilience::CircuitState::closed);
    //]
}

TEST_CASE("docs: an operator's hand") {
    CircuitBreaker breaker;
    //[commands
    breaker.force_open();    // nothing goes through
    breaker.force_closed();  // everything does, and nothing is counted
    breaker.metrics_only();  // everything does and is counted, and nothing opens
    breaker.reset();         // closed, as at first

    auto options = breaker.options();
    options.open_for = 10s;
    breaker.reconfigure(options);
    //]
    CHECK(breaker.options().open_for == 10s);
    CHECK(breaker.state() == resilience::CircuitState::closed);
}

TEST_CASE("docs: an observer sees the events") {
    std::atomic<int> state{0};
    std::atomic<std::uint64_t> refusals{0};
    //[observed
    CircuitBreaker breaker{{.consecutive_failures = 1}, StateGauge{&state, &refusals}};
    //]
    breaker.try_acquire().done(resilience::Verdict::permanent);
    CHECK(state == 1);
    CHECK_FALSE(breaker.try_acquire());
    CHECK(refusals == 1);
}

TEST_CASE("docs: a permit that outlives the owner of its breaker") {
    //[shared
    resilience::SharedCircuitBreaker<> breaker{{.slow_start = 30s}};
    auto call = [breaker](auto next) {
        auto permit = breaker.try_acquire();
        if (permit) next(std::move(permit));  // to whoever ends the call, and when
    };
    //]
    call([](auto permit) { std::move(permit).done(resilience::Verdict::success); });
    CHECK(breaker->snapshot().counts.calls == 1);
}

TEST_CASE("docs: a window of one's own") {
    //[own
    CircuitBreaker<resilience::NoObserver, Decaying> breaker{
        {.failure_ratio = 0.8, .min_calls = 1}, std::make_shared<Decaying>()};
    //]
    for (int i = 0; i < 3; ++i)
        breaker.try_acquire().done(resilience::Verdict::transient);
    CHECK(breaker.state() == resilience::CircuitState::open);
}
