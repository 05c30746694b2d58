// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/retry_budget.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

/// Without a reserve; a retry costs one token, and a call brings one.
RetryBudgetOptions options(std::uint32_t cap, std::uint32_t initial) {
    return {
        .ratio = 1.0,
        .min_per_sec = 0.0,
        .cap = cap,
        .initial = initial,
        .transient_cost = 1,
        .throttled_cost = 1};
}

}  // namespace

TEST_CASE("weak memory: a budget pays no retry twice") {
    const Exploration all = explore([] {
        RetryBudget budget{options(10, 2), start};
        int paid = 0;
        const auto retry = [&] {
            BudgetLease lease = budget.try_withdraw(Verdict::transient, start);
            if (!lease) return;
            lease.sent();
            ++paid;
        };
        run({retry, retry, retry});
        demand(paid == 2, "as many as there were");
        demand(budget.snapshot(start).available == 0.0, "nothing is left");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: what a retry did not use comes back, once") {
    const Exploration all = explore([] {
        RetryBudget budget{options(10, 1), start};
        int paid = 0;
        run(
            {[&] {
                 const BudgetLease lease = budget.try_withdraw(Verdict::transient, start);
             },
             [&] {
                 BudgetLease lease = budget.try_withdraw(Verdict::transient, start);
                 if (lease) ++paid;
                 lease.sent();
             },
             [&] { budget.deposit(start); }}
        );
        const double left = budget.snapshot(start).available;
        demand(left + paid == 2.0, "what came in, less what was spent");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a budget never holds more than its bound") {
    const Exploration all = explore([] {
        RetryBudget budget{options(2, 1), start};
        run(
            {[&] { budget.deposit(start); },
             [&] { budget.deposit(start); },
             [&] {
                 const BudgetLease lease = budget.try_withdraw(Verdict::transient, start);
             }}
        );
        demand(budget.snapshot(start).available == 2.0, "full");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a new bound brings back nothing that the old one took") {
    const Exploration all = explore([] {
        RetryBudget budget{options(2, 2), start};
        auto lease = budget.try_withdraw(Verdict::transient, start);
        budget.deposit(start);
        run(
            {[&] { budget.reconfigure(options(8, 0), start); },
             [&] { lease = BudgetLease{}; },
             [&] { budget.deposit(start); }}
        );
        const double left = budget.snapshot(start).available;
        demand(left >= 2.0 && left <= 4.0, "what was there, and what came since");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who sees new settings sees all of them") {
    struct Settings {
        explicit Settings(int n) : number{n} {}
        Settings(const Settings& other) : number{other.number.get()} {}
        bool operator==(const Settings& other) const {
            return number.get() == other.number.get();
        }
        Plain<int> number;
    };
    const Exploration all = explore([] {
        detail::LiveSettings<Settings> settings{Settings{1}};
        const auto replace = [&] {
            settings.replace([](const Settings& s) {
                return Settings{2 * s.number.get()};
            });
        };
        run({replace, replace, [&] {
                 const int first = settings.get().number.get();
                 const int second = settings.get().number.get();
                 demand(first <= second && second <= 4, "they never go back");
             }});
        demand(settings.get().number.get() == 4, "each is made of the one before");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
