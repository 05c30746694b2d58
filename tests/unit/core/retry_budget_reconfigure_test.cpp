// SPDX-License-Identifier: MIT
#include <resilience/registry.hpp>
#include <resilience/retry_budget.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};

int drain(RetryBudget& budget, TimePoint now) {
    for (int n = 0;; ++n) {
        BudgetLease lease = budget.try_withdraw(Verdict::transient, now);
        if (!lease) return n;
        lease.sent();
    }
}

double available(const RetryBudget& budget, TimePoint now = kStart) {
    return budget.snapshot(now).available;
}

std::string refused(RetryBudget& budget, const RetryBudgetOptions& options) {
    try {
        budget.reconfigure(options, kStart);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

}  // namespace

TEST_CASE("a budget in use takes other options, and what is saved up stays") {
    RetryBudget budget{{.ratio = 0.1, .min_per_sec = 0, .initial = 140}, kStart};
    budget.reconfigure(
        {.ratio = 0.5, .min_per_sec = 0, .transient_cost = 20, .throttled_cost = 10},
        kStart
    );
    CHECK(budget.options().ratio == 0.5);
    CHECK(available(budget) == 140.0);
    CHECK(budget.snapshot(kStart).retries == 7);
    budget.deposit(kStart);
    CHECK(available(budget) == 150.0);
    {
        const BudgetLease lease = budget.try_withdraw(Verdict::throttled, kStart);
        CHECK(available(budget) == 140.0);
    }
    CHECK(drain(budget, kStart) == 7);
}

TEST_CASE("a higher cap brings back nothing of what went beyond the old one") {
    const RetryBudgetOptions small{.cap = 140, .initial = 140};
    const RetryBudgetOptions large{.cap = 1000, .initial = 1000};
    RetryBudget budget{small, kStart};
    const TimePoint later = kStart + 1h;  // full for an hour
    budget.reconfigure(large, later);
    CHECK(available(budget, later) == 140.0);
    CHECK(available(budget, later + 1s) == 154.0);
    // A lower cap cuts at once and for good.
    budget.reconfigure({.cap = 20, .initial = 0}, later + 1s);
    CHECK(available(budget, later + 1s) == 20.0);
    budget.reconfigure(large, later + 1s);
    CHECK(available(budget, later + 1s) == 20.0);
}

TEST_CASE("another reserve counts from now on, neither before nor anew") {
    const auto reserve = [](double per_sec) {
        return RetryBudgetOptions{.ratio = 0, .min_per_sec = per_sec, .initial = 0};
    };
    RetryBudget budget{reserve(0.5), kStart};
    budget.reconfigure(reserve(5), kStart + 1s);
    CHECK(available(budget, kStart + 1s) == 7.0);
    CHECK(available(budget, kStart + 1100ms) == 14.0);
    budget.reconfigure(reserve(0), kStart + 1100ms);
    CHECK(available(budget, kStart + 1h) == 14.0);
    CHECK(drain(budget, kStart + 1h) == 1);
    budget.reconfigure(reserve(1000), kStart + 2h);
    CHECK(available(budget, kStart + 2h) == 0.0);
    CHECK(drain(budget, kStart + 2h + 10ms) == 10);
}

TEST_CASE("a change by a late clock, or at the ends of time, brings nothing") {
    const RetryBudgetOptions high{.ratio = 0, .min_per_sec = 1000, .initial = 0};
    const RetryBudgetOptions low{.ratio = 0, .min_per_sec = 0, .initial = 0};
    RetryBudget budget{low, kStart};
    budget.reconfigure(high, kStart - 1h);
    CHECK(available(budget) == 0.0);
    budget.reconfigure(low, TimePoint::min());
    CHECK(available(budget) == 0.0);
    for (int i = 0; i < 3; ++i) {
        budget.reconfigure(high, TimePoint::max());
        budget.reconfigure(high, TimePoint::min());
    }
    CHECK(available(budget) == 0.0);
    CHECK(available(budget, TimePoint::max()) == 500.0);
}

TEST_CASE("a lease of before a change gets back what it cost, by the new share") {
    RetryBudget budget{{.ratio = 0, .min_per_sec = 0, .initial = 140}, kStart};
    BudgetLease cancelled = budget.try_withdraw(Verdict::transient, kStart);
    BudgetLease answered = budget.try_withdraw(Verdict::transient, kStart);
    budget.reconfigure(
        {.ratio = 0, .min_per_sec = 0, .transient_cost = 100, .success_refund = 1}, kStart
    );
    CHECK(available(budget) == 112.0);
    cancelled = BudgetLease{};
    CHECK(available(budget) == 126.0);
    answered.sent();
    std::move(answered).done(Verdict::success);
    CHECK(available(budget) == 140.0);
}

TEST_CASE("a change out of range is refused by name, and changes nothing") {
    RetryBudget budget{{.min_per_sec = 0, .cap = 140, .initial = 14}, kStart};
    CHECK(refused(budget, {.ratio = -1}) == "RetryBudgetOptions::ratio");
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused(budget, {.min_per_sec = nan}) == "RetryBudgetOptions::min_per_sec");
    CHECK(refused(budget, {.cap = 0}) == "RetryBudgetOptions::cap");
    CHECK(refused(budget, {.cap = 69}) == "RetryBudgetOptions::initial");
    CHECK(refused(budget, {.transient_cost = 0}) == "RetryBudgetOptions::transient_cost");
    CHECK(refused(budget, {.throttled_cost = 0}) == "RetryBudgetOptions::throttled_cost");
    CHECK(refused(budget, {.success_refund = 2}) == "RetryBudgetOptions::success_refund");
    CHECK(budget.options().cap == 140);
    CHECK(available(budget) == 14.0);
    CHECK(drain(budget, kStart) == 1);
}

TEST_CASE("a registry changes a budget by its name") {
    Registry registry;
    auto budget = std::make_shared<RetryBudget>(RetryBudgetOptions{}, kStart);
    REQUIRE_FALSE(registry.add("retries", budget));
    CHECK(registry.reconfigure<RetryBudget>("retries", {.ratio = 0.3}));
    CHECK(budget->options().ratio == 0.3);
}

TEST_CASE("whatever is changed meanwhile, threads withdraw no more than calls brought") {
    constexpr int kThreads = 4;
    constexpr int kCalls = 20'000;
    // One token for each call, whatever the cap, the refund and the reserve.
    const auto options = [](std::uint32_t cap, double per_sec) {
        return RetryBudgetOptions{
            .ratio = 0.1,
            .min_per_sec = per_sec,
            .cap = cap,
            .initial = 0,
            .transient_cost = 10,
            .throttled_cost = 10,
            .success_refund = 0};
    };
    RetryBudget budget{options(1000, 1000), kStart};
    const TimePoint now = kStart + 1h;
    drain(budget, now);
    std::atomic<std::int64_t> withdrawn{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            std::int64_t mine = 0;
            for (int call = 0; call < kCalls; ++call) {
                if (call % 4 == 0) {
                    const bool small = (call / 4 + t) % 2 == 0;
                    budget.reconfigure(
                        small ? options(20, 0.1) : options(1000, 1000), now
                    );
                }
                budget.deposit(now);
                BudgetLease lease = budget.try_withdraw(Verdict::transient, now);
                if (!lease || (call + t) % 4 == 0) continue;  // a part is refunded
                lease.sent();
                mine += 10;
            }
            withdrawn += mine;
        });
    }
    threads.clear();
    withdrawn += 10 * drain(budget, now);
    CHECK(withdrawn <= kThreads * kCalls);
    CHECK(withdrawn > 0);
    CHECK(budget.snapshot(now).reconfigured == 2);  // each is kept once
}
