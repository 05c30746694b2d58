// SPDX-License-Identifier: MIT
#include <resilience/retry_budget.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <utility>

namespace {

using namespace resilience;

//[hedge
// Sends a second request when the first is late, if the budget allows.
bool hedge(RetryBudget& budget, const std::function<Verdict()>& send_again) {
    BudgetLease lease = budget.try_withdraw(Verdict::transient);
    if (!lease) return false;
    lease.sent();
    std::move(lease).done(send_again());
    return true;
}
//]

}  // namespace

TEST_CASE("docs/retry-budget.md: deposit, withdraw, spend or refund") {
    //[make
    RetryBudget budget{{.ratio = 0.2, .min_per_sec = 0.5}};
    //]
    const double before = budget.snapshot().available;
    {
        //[withdraw
        budget.deposit();  // once for each call
        BudgetLease lease = budget.try_withdraw(Verdict::transient);
        if (lease) {
            // Wait here. If the wait is cancelled, the lease goes and the cost comes
            // back.
            lease.sent();
            // Send here. From now on the cost is spent,
            std::move(lease).done(Verdict::success);  // but half of it comes back.
        }
        //]
    }
    CHECK(budget.snapshot().available < before);
    CHECK(budget.snapshot().available >= before - 7);
    //[reconfigure
    RetryBudgetOptions fewer = budget.options();
    fewer.ratio = 0.05;
    budget.reconfigure(fewer);
    //]
    CHECK(budget.options().ratio == 0.05);
    CHECK(budget.options().min_per_sec == 0.5);
}

TEST_CASE("docs/retry-budget.md: a hedge") {
    RetryBudget budget{{.min_per_sec = 0, .initial = 14, .success_refund = 0}};
    CHECK(hedge(budget, [] { return Verdict::success; }));
    CHECK_FALSE(hedge(budget, [] { return Verdict::success; }));
}
