// SPDX-License-Identifier: MIT
#include <resilience/random.hpp>
#include <resilience/retry_budget.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};
constexpr int kThreads = 64;

// Runs `work(thread)` on 64 threads that begin at once.
template <class Work>
void together(Work work) {
    std::barrier begin{kThreads};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&begin, &work, t] {
            begin.arrive_and_wait();
            work(t);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("64 threads withdraw what there is, and not one retry more") {
    for (int round = 0; round < 50; ++round) {
        RetryBudget budget{
            {.ratio = 0, .min_per_sec = 0, .cap = 14'000, .initial = 14'000}, kStart};
        std::atomic<int> granted{0};
        together([&](int) {
            while (BudgetLease lease = budget.try_withdraw(Verdict::transient, kStart)) {
                lease.sent();
                granted.fetch_add(1);
            }
        });
        CHECK(granted.load() == 1000);
        CHECK(budget.snapshot(kStart).available == 0.0);
    }
}

TEST_CASE("64 threads that deposit, withdraw, cancel and succeed lose and gain nothing") {
    RetryBudget budget{
        {.ratio = 0.5, .min_per_sec = 0, .cap = 1'000'000, .initial = 100}, kStart};
    std::atomic<std::int64_t> expected{100};  // tokens
    together([&](int thread) {
        Random random{static_cast<std::uint64_t>(thread)};
        std::int64_t own = 0;
        for (int i = 0; i < 5000; ++i) {
            if (random() % 2 == 0) {
                budget.deposit(kStart);
                own += 7;
                continue;
            }
            BudgetLease lease = budget.try_withdraw(Verdict::transient, kStart);
            if (!lease) continue;
            switch (random() % 3) {
                case 0:
                    break;  // cancelled
                case 1:
                    lease.sent();
                    std::move(lease).done(Verdict::success);
                    own -= 7;
                    break;
                default:
                    lease.sent();
                    own -= 14;
                    break;
            }
        }
        expected.fetch_add(own);
    });
    CHECK(budget.snapshot(kStart).available == static_cast<double>(expected.load()));
}

TEST_CASE("64 threads with racing clocks withdraw no more than the reserve brought") {
    RetryBudget budget{
        {.ratio = 0, .min_per_sec = 100, .cap = 500, .initial = 0}, kStart};
    std::atomic<std::int64_t> clock{0};  // microseconds
    std::atomic<int> granted{0};
    together([&](int) {
        for (int i = 0; i < 1000; ++i) {
            const TimePoint now =
                kStart + std::chrono::microseconds{clock.fetch_add(100)};
            BudgetLease lease = budget.try_withdraw(Verdict::transient, now);
            if (!lease) continue;
            lease.sent();
            granted.fetch_add(1);
        }
    });
    // 64,000 steps of 100 us are 6.4 s.
    CHECK(granted.load() <= 640);
    CHECK(granted.load() > 300);
}
