// SPDX-License-Identifier: MIT
#include <resilience/retry_budget.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};

// Withdraws and spends for as long as there is enough; how often there was.
int drain(RetryBudget& budget, TimePoint now, Verdict cause = Verdict::transient) {
    for (int n = 0;; ++n) {
        BudgetLease lease = budget.try_withdraw(cause, now);
        if (!lease) return n;
        lease.sent();
    }
}

std::string refused(const RetryBudgetOptions& options) {
    try {
        RetryBudget{options};
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

}  // namespace

TEST_CASE("ten calls pay for one retry at the default ratio") {
    RetryBudget budget{{.min_per_sec = 0, .initial = 0}, kStart};
    for (int call = 1; call <= 9; ++call) budget.deposit(kStart);
    CHECK_FALSE(budget.try_withdraw(Verdict::transient, kStart));
    budget.deposit(kStart);
    CHECK(drain(budget, kStart) == 1);
    for (int call = 0; call < 100; ++call) budget.deposit(kStart);
    CHECK(drain(budget, kStart) == 10);
}

TEST_CASE("a retry after a request to slow down costs less, any other as a transient") {
    const RetryBudgetOptions options{.min_per_sec = 0, .initial = 70};
    for (const auto& [cause, retries] :
         {std::pair{Verdict::transient, 5},
          std::pair{Verdict::throttled, 14},
          std::pair{Verdict::success, 5}}) {
        RetryBudget budget{options, kStart};
        CHECK(drain(budget, kStart, cause) == retries);
    }
}

TEST_CASE("no more is saved up than the cap, however many calls succeed") {
    RetryBudget budget{{.cap = 140, .initial = 0}, kStart};
    for (int call = 0; call < 10'000; ++call) budget.deposit(kStart);
    CHECK(budget.snapshot(kStart).available == 140.0);
    CHECK(budget.snapshot(kStart + 24h).available == 140.0);
    CHECK(drain(budget, kStart + 24h) == 10);
}

TEST_CASE("a client with few calls retries from the reserve alone (envoy#25660)") {
    RetryBudget budget{{.ratio = 0, .min_per_sec = 0.5, .initial = 0}, kStart};
    CHECK(drain(budget, kStart) == 0);
    CHECK(drain(budget, kStart + 2s - 1ms) == 0);
    CHECK(drain(budget, kStart + 2s) == 1);
    CHECK(drain(budget, kStart + 12s) == 5);
    // What a fleet adds is the sum of the reserves and no more.
    RetryBudget busy{{.ratio = 0, .min_per_sec = 0.5, .cap = 14, .initial = 0}, kStart};
    int sent = 0;
    for (TimePoint now = kStart; now <= kStart + 1h; now += 100ms)
        sent += drain(busy, now);
    CHECK(sent == 1800);
}

TEST_CASE("what was saved counts with one call in flight at a time (failsafe-go#106)") {
    RetryBudget budget{{.ratio = 0.1, .min_per_sec = 0, .initial = 0}, kStart};
    int retried = 0;
    for (int call = 1; call <= 1000; ++call) {
        budget.deposit(kStart);
        if (call % 10 == 0) retried += drain(budget, kStart);
    }
    CHECK(retried == 100);
}

TEST_CASE("the reserve is exact, however often and at whichever instants it is asked") {
    RetryBudget budget{
        {.ratio = 0, .min_per_sec = 0.7, .cap = 500, .initial = 0}, kStart};
    RetryBudget rested{
        {.ratio = 0, .min_per_sec = 0.7, .cap = 500, .initial = 0}, kStart};
    TimePoint now = kStart;
    int sent = 0;
    while (now < kStart + 50s) {
        now += 333us + 7ns;
        sent += drain(budget, now);
    }
    CHECK(sent == drain(rested, now));
    CHECK(sent == 35);
}

TEST_CASE("an attempt that never went out gets all back, a success a part, else nothing"
) {
    const RetryBudgetOptions options{.ratio = 0, .min_per_sec = 0, .initial = 140};
    const auto left_after = [&](Verdict verdict) {
        RetryBudget budget{options, kStart};
        BudgetLease lease = budget.try_withdraw(Verdict::transient, kStart);
        CHECK(budget.snapshot(kStart).available == 126.0);
        lease.sent();
        std::move(lease).done(verdict);
        CHECK_FALSE(lease);
        return budget.snapshot(kStart).available;
    };
    CHECK(left_after(Verdict::success) == 133.0);
    CHECK(left_after(Verdict::slow) == 133.0);
    CHECK(left_after(Verdict::client_error) == 133.0);
    CHECK(left_after(Verdict::ignored) == 140.0);
    CHECK(left_after(Verdict::transient) == 126.0);
    CHECK(left_after(Verdict::throttled) == 126.0);
    CHECK(left_after(Verdict::permanent) == 126.0);
    CHECK(left_after(Verdict::abandoned) == 126.0);

    RetryBudget budget{options, kStart};
    { const BudgetLease cancelled = budget.try_withdraw(Verdict::transient, kStart); }
    CHECK(budget.snapshot(kStart).available == 140.0);
    {
        BudgetLease lost = budget.try_withdraw(Verdict::transient, kStart);
        lost.sent();
    }
    CHECK(budget.snapshot(kStart).available == 126.0);
}

TEST_CASE("a lease that is moved is refunded once") {
    RetryBudget budget{{.ratio = 0, .min_per_sec = 0, .initial = 140}, kStart};
    {
        BudgetLease first = budget.try_withdraw(Verdict::transient, kStart);
        BudgetLease second = std::move(first);
        CHECK_FALSE(first);
        CHECK(second);
        first = std::move(second);
        BudgetLease& same = first;
        first = std::move(same);
        CHECK(first);
        CHECK(budget.snapshot(kStart).available == 126.0);
    }
    CHECK(budget.snapshot(kStart).available == 140.0);
    {
        BudgetLease kept = budget.try_withdraw(Verdict::transient, kStart);
        kept = budget.try_withdraw(Verdict::transient, kStart);
        CHECK(budget.snapshot(kStart).available == 126.0);
        kept.sent();
        kept = BudgetLease{};
        CHECK(budget.snapshot(kStart).available == 126.0);
    }
    BudgetLease nothing;
    nothing.sent();
    std::move(nothing).done(Verdict::success);
    CHECK(budget.snapshot(kStart).available == 126.0);
}

TEST_CASE("refunds do not fill a budget beyond its cap") {
    RetryBudget budget{{.min_per_sec = 0, .cap = 28, .initial = 28}, kStart};
    {
        const BudgetLease a = budget.try_withdraw(Verdict::transient, kStart);
        const BudgetLease b = budget.try_withdraw(Verdict::transient, kStart);
        for (int call = 0; call < 100; ++call) budget.deposit(kStart);
    }
    CHECK(budget.snapshot(kStart).available == 28.0);
    CHECK(drain(budget, kStart) == 2);
}

TEST_CASE("a clock that is late only sees less") {
    RetryBudget budget{
        {.ratio = 0, .min_per_sec = 1, .cap = 140, .initial = 140}, kStart};
    CHECK(drain(budget, kStart + 1h) == 10);
    CHECK(drain(budget, kStart) == 0);
    CHECK(budget.snapshot(kStart).available == 0.0);
    CHECK(budget.snapshot(kStart).retries == 0);
    budget.deposit(kStart);
    CHECK(drain(budget, kStart + 1h) == 0);
    CHECK(drain(budget, kStart + 1h + 1s) == 1);
}

TEST_CASE("clocks at the ends of time do no harm") {
    const RetryBudgetOptions options{.min_per_sec = 1000, .transient_cost = 500};
    const auto later_than = [&options](TimePoint begin, TimePoint now) {
        RetryBudget budget{options, begin};
        budget.deposit(now);
        return drain(budget, now);
    };
    constexpr TimePoint kFirst = TimePoint::min();
    constexpr TimePoint kLast = TimePoint::max();
    CHECK(later_than(kFirst, TimePoint{}) == 1);
    CHECK(later_than(kFirst, kLast) == 1);
    CHECK(later_than(TimePoint{}, kFirst) == 0);
    CHECK(later_than(TimePoint{}, kLast) == 1);
    CHECK(later_than(kLast, kFirst) == 0);
    CHECK(later_than(kLast, TimePoint{}) == 0);
}

TEST_CASE("each budget option out of range is named") {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused({}) == "");
    for (const double bad : {-0.1, 1.1, kNaN}) {
        CHECK(refused({.ratio = bad}) == "RetryBudgetOptions::ratio");
        CHECK(refused({.success_refund = bad}) == "RetryBudgetOptions::success_refund");
    }
    for (const double bad : {-0.1, 1001.0, kNaN}) {
        CHECK(refused({.min_per_sec = bad}) == "RetryBudgetOptions::min_per_sec");
    }
    CHECK(refused({.cap = 0}) == "RetryBudgetOptions::cap");
    CHECK(refused({.cap = 1'000'001}) == "RetryBudgetOptions::cap");
    CHECK(refused({.cap = 69}) == "RetryBudgetOptions::initial");
    CHECK(refused({.transient_cost = 0}) == "RetryBudgetOptions::transient_cost");
    CHECK(refused({.transient_cost = 501}) == "RetryBudgetOptions::transient_cost");
    CHECK(
        refused({.cap = 2000, .transient_cost = 1001}) ==
        "RetryBudgetOptions::transient_cost"
    );
    CHECK(refused({.throttled_cost = 0}) == "RetryBudgetOptions::throttled_cost");
    CHECK(refused({.throttled_cost = 501}) == "RetryBudgetOptions::throttled_cost");
    CHECK(
        refused({.cap = 2000, .throttled_cost = 1001}) ==
        "RetryBudgetOptions::throttled_cost"
    );
    CHECK(refused({.ratio = 1, .cap = 1000, .transient_cost = 1000}) == "");
}
