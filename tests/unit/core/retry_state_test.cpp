// SPDX-License-Identifier: MIT
#include <resilience/retry_state.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr TimePoint kStart{1h};
constexpr TimePoint kNever = RetryState::no_deadline;

const RetryPolicy kPlain{{.attempts = 4, .base = 100ms, .jitter = Jitter::none}};
const RetryPolicy kIdempotent{
    {.attempts = 4, .base = 100ms, .jitter = Jitter::none, .idempotent = true}};

// What is decided after the first attempt of a call.
RetryDecision decide(
    const Classification& end, TimePoint deadline = kNever, RetryBudget* budget = nullptr
) {
    RetryState state{kPlain};
    return state.next(end, kStart, deadline, 0, budget);
}

// Pays for `retries` transient failures and nothing else.
RetryBudgetOptions pays_for(std::uint32_t retries) {
    return {.ratio = 0, .min_per_sec = 0, .initial = retries * 14, .success_refund = 0};
}

struct Recorder {
    std::vector<Retried> retried;
    std::vector<RetryStopped> stopped;
    void on(const Retried& event) noexcept { retried.push_back(event); }
    void on(const RetryStopped& event) noexcept { stopped.push_back(event); }
};

}  // namespace

TEST_CASE("a state fits into 24 bytes of the caller's stack") {
    CHECK(sizeof(RetryState) <= 24);
}

TEST_CASE("what ended for good is not tried again, and the reason is told") {
    CHECK(decide({Verdict::success}).stop == RetryStop::succeeded);
    CHECK(decide({Verdict::slow}).stop == RetryStop::succeeded);
    CHECK(decide({Verdict::client_error}).stop == RetryStop::permanent);
    CHECK(decide({Verdict::permanent}).stop == RetryStop::permanent);
    CHECK(decide({Verdict::permanent, true}).stop == RetryStop::permanent);
    CHECK(decide({Verdict::abandoned}).stop == RetryStop::abandoned);
    CHECK(decide({Verdict::abandoned, false, 1s}).stop == RetryStop::abandoned);
    CHECK_FALSE(decide({Verdict::permanent}));
}

TEST_CASE("a transient failure is tried again until no attempt is left") {
    RetryState state{kPlain};
    for (const nanoseconds expected : {100ms, 200ms, 400ms}) {
        const RetryDecision again = state.next({Verdict::transient}, kStart, kNever, 0);
        REQUIRE(again);
        CHECK(again.delay == expected);
        CHECK_FALSE(again.lease);
    }
    CHECK(state.attempts() == 3);
    CHECK(
        state.next({Verdict::transient}, kStart, kNever, 0).stop == RetryStop::attempts
    );
    CHECK(state.attempts() == 4);
}

TEST_CASE("after a request to slow down, the base is another") {
    CHECK(decide({Verdict::throttled}).delay == 1s);
}

TEST_CASE("what is in doubt is repeated only if that does no harm (boostorg/redis#326)") {
    const Classification doubt{Verdict::transient, true};
    CHECK(decide(doubt).stop == RetryStop::in_doubt_not_idempotent);
    CHECK(
        decide({Verdict::throttled, true, 1s}).stop == RetryStop::in_doubt_not_idempotent
    );
    RetryState state{kIdempotent};
    CHECK(state.next(doubt, kStart, kNever, 0));
}

TEST_CASE("the server's hint overrides the back-off, and is cut to the longest allowed") {
    CHECK(decide({Verdict::transient, false, 7s}).delay == 7s);
    CHECK(decide({Verdict::throttled, false, 1ms}).delay == 1ms);
    CHECK(decide({Verdict::transient, false, 2min}).delay == 1min);
    CHECK(decide({Verdict::transient, false, Admission::never}).delay == 1min);
    CHECK(decide({Verdict::transient, false, 0s}).delay == 100ms);
    CHECK(decide({Verdict::transient, false, -5s}).delay == 100ms);
}

TEST_CASE("a local refusal is repeated only when it told when (virtrigaud#70)") {
    CHECK(decide({Verdict::ignored}).stop == RetryStop::ignored);
    CHECK(decide({Verdict::ignored, false, -1s}).stop == RetryStop::ignored);
    CHECK(decide({Verdict::ignored, false, Admission::never}).stop == RetryStop::ignored);
    CHECK(decide({Verdict::ignored, false, 61s}).stop == RetryStop::ignored);
    const RetryDecision again = decide({Verdict::ignored, false, 30s});
    CHECK(again);
    CHECK(again.delay == 30s);
    CHECK(
        decide({Verdict::ignored, false, 30s}, kStart + 30s).stop == RetryStop::deadline
    );
    const Failure open{make_error_code(Errc::circuit_open), {}, 2s};
    CHECK(decide(classify(open)).delay == 2s);
    CHECK(
        decide(classify(Failure{make_error_code(Errc::circuit_open), {}})).stop ==
        RetryStop::ignored
    );
}

TEST_CASE("local refusals too are repeated no more often than there are attempts") {
    RetryState state{kPlain};
    const Classification refusal{Verdict::ignored, false, 1ms};
    for (int i = 0; i < 3; ++i) CHECK(state.next(refusal, kStart, kNever, 0));
    CHECK(state.next(refusal, kStart, kNever, 0).stop == RetryStop::attempts);
}

TEST_CASE("no wait is begun that would reach the deadline") {
    const Classification failure{Verdict::transient};
    CHECK(decide(failure, kStart + 100ms).stop == RetryStop::deadline);
    CHECK(decide(failure, kStart + 100ms + 1ns));
    CHECK(decide(failure, kStart).stop == RetryStop::deadline);
    CHECK(decide(failure, kStart - 1s).stop == RetryStop::deadline);
    CHECK(
        decide({Verdict::transient, false, 5s}, kStart + 5s).stop == RetryStop::deadline
    );
    CHECK(decide(failure, TimePoint::min()).stop == RetryStop::deadline);
}

TEST_CASE("a deadline at either end of time is no trap") {
    const RetryPolicy patient{
        {.base = nanoseconds::max(), .cap = nanoseconds::max(), .jitter = Jitter::none}};
    const Classification failure{Verdict::transient};
    for (const TimePoint now : {TimePoint::min(), TimePoint{}, TimePoint::max() - 1s}) {
        RetryState state{patient};
        CHECK(state.next(failure, now, kNever, 0));
    }
    RetryState state{patient};
    CHECK(state.next(failure, TimePoint::min(), TimePoint::max() - 1ns, 0));
    CHECK(
        state.next(failure, TimePoint{}, TimePoint::max() - 1ns, 0).stop ==
        RetryStop::deadline
    );
}

TEST_CASE("no call waits past its deadline, whatever it meets") {
    Random random{99};
    const RetryPolicy policy{
        {.attempts = 50,
         .base = 1ms,
         .jitter = Jitter::decorrelated,
         .idempotent = true}};
    for (int call = 0; call < 2000; ++call) {
        RetryState state{policy};
        TimePoint now = kStart;
        const TimePoint deadline = kStart + nanoseconds{random() % 10'000'000'000};
        for (;;) {
            now += nanoseconds{random() % 50'000'000};
            const auto verdict = random() % 2 ? Verdict::transient : Verdict::throttled;
            const nanoseconds hint{random() % 4 ? 0 : random() % 3'000'000'000};
            const auto again =
                state.next({verdict, false, hint}, now, deadline, random());
            if (!again) break;
            now += again.delay;
            REQUIRE(now < deadline);
        }
        REQUIRE(state.attempts() <= 50);
    }
}

TEST_CASE("decorrelated waits grow from what was waited before, not from a hint") {
    const RetryPolicy policy{{.base = 100ms, .jitter = Jitter::decorrelated}};
    RetryState state{policy};
    const std::uint64_t half = 1ULL << 63;
    CHECK(state.next({Verdict::transient}, kStart, kNever, half).delay == 200ms);
    CHECK(
        state.next({Verdict::transient, false, 50s}, kStart, kNever, half).delay == 50s
    );
    CHECK(state.next({Verdict::transient}, kStart, kNever, half).delay == 350ms);
}

TEST_CASE("the budget is asked last, so nothing else that stops a call costs anything") {
    RetryBudget budget{pays_for(1), kStart};
    CHECK(decide({Verdict::permanent}, kNever, &budget).stop == RetryStop::permanent);
    CHECK(decide({Verdict::transient}, kStart, &budget).stop == RetryStop::deadline);
    CHECK(budget.snapshot(kStart).retries == 1);
    const RetryDecision again = decide({Verdict::transient}, kNever, &budget);
    CHECK(again);
    CHECK(again.lease);
    CHECK(decide({Verdict::transient}, kNever, &budget).stop == RetryStop::budget);
}

TEST_CASE("a retry that is cancelled while it waits costs nothing") {
    RetryBudget budget{pays_for(1), kStart};
    { const RetryDecision again = decide({Verdict::transient}, kNever, &budget); }
    CHECK(budget.snapshot(kStart).retries == 1);
    {
        RetryDecision again = decide({Verdict::transient}, kNever, &budget);
        again.lease.sent();
    }
    CHECK(budget.snapshot(kStart).retries == 0);
}

TEST_CASE("refused locally before anything went out, a call owes nothing") {
    RetryBudget budget{pays_for(0), kStart};
    RetryState state{kPlain};
    const Classification refusal{Verdict::ignored, false, 1ms};
    CHECK(state.next(refusal, kStart, kNever, 0, &budget));
    CHECK(
        state.next({Verdict::transient}, kStart, kNever, 0, &budget).stop ==
        RetryStop::budget
    );
}

TEST_CASE("refused locally after a failure, the retry is still a retry") {
    RetryBudget budget{pays_for(1), kStart};
    const Classification refusal{Verdict::ignored, false, 1ms};
    RetryState state{kPlain};
    RetryDecision first = state.next({Verdict::transient}, kStart, kNever, 0, &budget);
    REQUIRE(first);
    first.lease.sent();
    std::move(first.lease).done(Verdict::ignored);  // refused: its cost comes back
    RetryDecision second = state.next(refusal, kStart, kNever, 0, &budget);
    REQUIRE(second);
    CHECK(second.lease);
    CHECK(budget.snapshot(kStart).retries == 0);
}

TEST_CASE("of a thousand calls that fail at once, as many wait as may go (envoy#30205)") {
    RetryBudget budget{
        {.ratio = 0.2,
         .min_per_sec = 0,
         .cap = 10'000,
         .initial = 0,
         .success_refund = 0},
        kStart};
    std::vector<RetryState> calls(1000, RetryState{kPlain});
    for (int i = 0; i < 1000; ++i) budget.deposit(kStart);
    std::vector<RetryDecision> waiting;
    for (RetryState& call : calls) {
        RetryDecision again = call.next({Verdict::transient}, kStart, kNever, 0, &budget);
        if (again) {
            waiting.push_back(std::move(again));
        } else {
            CHECK(again.stop == RetryStop::budget);
        }
    }
    // None of them can be refused after its wait: it has paid.
    CHECK(waiting.size() == 200);
    CHECK(budget.snapshot(kStart).retries == 0);
}

TEST_CASE("observers are told of each retry and of each end but plain success") {
    RetryBudget budget{pays_for(1), kStart};
    Recorder seen;
    RetryState plain{kPlain};
    CHECK_FALSE(plain.next({Verdict::success}, kStart, kNever, 0, nullptr, seen));
    CHECK(seen.stopped.empty());

    RetryState state{kPlain};
    CHECK(state.next({Verdict::transient}, kStart, kNever, 0, &budget, seen));
    REQUIRE(seen.retried.size() == 1);
    CHECK(seen.retried[0].attempts == 1);
    CHECK(seen.retried[0].cause == Verdict::transient);
    CHECK(seen.retried[0].delay == 100ms);
    CHECK_FALSE(state.next({Verdict::success}, kStart, kNever, 0, &budget, seen));
    REQUIRE(seen.stopped.size() == 1);
    CHECK(seen.stopped[0].attempts == 2);
    CHECK(seen.stopped[0].reason == RetryStop::succeeded);

    NoObserver nobody;
    RetryState other{kPlain};
    CHECK(other.next({Verdict::transient}, kStart, kNever, 0, nullptr, nobody));
}
