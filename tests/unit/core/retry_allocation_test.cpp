// SPDX-License-Identifier: MIT
#include <resilience/retry_budget.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/throttle.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <utility>

RESILIENCE_COUNT_ALLOCATIONS;

using namespace resilience;
using namespace std::chrono_literals;

TEST_CASE("retries and their budget allocate nothing, whatever they decide") {
    constexpr TimePoint kStart{1h};
    const testing::AllocationCounter allocations;
    const RetryPolicy policy{{.jitter = Jitter::decorrelated}};
    RetryBudget budget{{}, kStart};
    int retried = 0;
    for (int call = 0; call < 1000; ++call) {
        budget.deposit(kStart);
        RetryState state{policy};
        BudgetLease lease;
        for (;;) {
            lease.sent();
            const Verdict end = call % 3 == 0 ? Verdict::transient : Verdict::success;
            std::move(lease).done(end);
            RetryDecision again = state.next(
                {end}, kStart, RetryState::no_deadline, thread_random()(), &budget
            );
            if (!again) break;
            lease = std::move(again.lease);
            ++retried;
        }
    }
    CHECK(retried > 100);
    CHECK(allocations.made() == 0);
}

TEST_CASE("a throttle allocates nothing, whether it admits or refuses") {
    constexpr TimePoint kStart{1h};
    const testing::AllocationCounter allocations;
    Throttle<> throttle{{.grace = 0}, {}, kStart};
    int refused = 0;
    for (int call = 0; call < 10'000; ++call) {
        auto permit = throttle.try_acquire(kStart + call * 1ms);
        if (!permit) ++refused;
        std::move(permit).done(Verdict::transient, kStart + call * 1ms);
    }
    CHECK(refused > 1000);
    CHECK(allocations.made() == 0);
}
