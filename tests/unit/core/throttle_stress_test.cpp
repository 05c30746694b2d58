// SPDX-License-Identifier: MIT
#include <resilience/throttle.hpp>

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

TEST_CASE("threads that call, fail and give up while buckets turn over lose no count") {
    constexpr int kThreads = 8;
    constexpr int kCalls = 40000;
    constexpr TimePoint kStart{1h};
    // The window is longer than the calls take, the buckets are much shorter.
    Throttle<> throttle{{.window = 32s, .buckets = 32, .max_rejection = 0}, {}, kStart};
    std::atomic<std::int64_t> clock{0};  // microseconds
    std::atomic<std::int64_t> accepts{0};
    std::atomic<std::int64_t> given_up{0};
    std::barrier begin{kThreads};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            Random random{static_cast<std::uint64_t>(t)};
            begin.arrive_and_wait();
            for (int i = 0; i < kCalls; ++i) {
                const TimePoint now =
                    kStart + std::chrono::microseconds{clock.fetch_add(90)};
                auto permit = throttle.try_acquire(now, 0);
                switch (random() % 3) {
                    case 0:
                        accepts.fetch_add(1);
                        std::move(permit).done(Verdict::success, now);
                        break;
                    case 1:
                        std::move(permit).done(Verdict::transient, now);
                        break;
                    default:
                        given_up.fetch_add(1);
                        break;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    const ThrottleSnapshot end = throttle.snapshot(kStart + 31s);
    CHECK(end.accepts == static_cast<std::uint64_t>(accepts.load()));
    CHECK(
        end.requests == static_cast<std::uint64_t>(kThreads * kCalls - given_up.load())
    );
}
