// SPDX-License-Identifier: MIT
// One pipeline under two threads, with real time: for the thread sanitizer.
#include <resilience/asio/pipeline.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/throttle.hpp>
#include <resilience/token_bucket.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <atomic>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr int kCalls = 400;

struct Policies {
    CircuitBreaker<> breaker{
        {.window = CountWindowOptions{}, .failure_ratio = 1, .min_calls = 100}};
    Bulkhead<> bulkhead{{.limit = 2, .queue = kCalls, .max_wait = 1min}};
    TokenBucket bucket{{.tokens = 1'000'000, .period = 1s, .burst = 1'000'000}};
    Throttle<> throttle;
    RetryBudget budget{{.cap = 1'000'000, .initial = 1'000'000}};
    Retry<> retry{{.attempts = 3, .base = 1us, .jitter = Jitter::none}, &budget};
};

/// Fails the first attempt of every other call.
struct Operation {
    net::awaitable<Outcome<int>> operator()(CallContext& context) {
        const net::any_io_executor executor = co_await net::this_coro::executor;
        const int now = running->fetch_add(1) + 1;
        for (int seen = *most; seen < now && !most->compare_exchange_weak(seen, now);) {
        }
        co_await net::post(executor, net::use_awaitable);
        running->fetch_sub(1);
        if (context.attempt == 1 && number % 2 == 0) {
            co_return Outcome<int>{fail(Errc::unavailable)};
        }
        co_return Outcome<int>{number};
    }

    int number;
    std::atomic<int>* running;
    std::atomic<int>* most;
};

struct Tally {
    int ended;
    int succeeded;
};

/// Runs all calls at once.
template <class Pipeline>
Tally run_on_two_threads(Pipeline& pipeline, std::atomic<int>& most) {
    net::thread_pool threads{2};
    std::atomic<int> running{0};
    std::atomic<int> ended{0};
    std::atomic<int> succeeded{0};
    for (int i = 0; i < kCalls; ++i) {
        async_run(
            threads.get_executor(),
            pipeline,
            Operation{i, &running, &most},
            [&](const Outcome<int>& r) {
                ++ended;
                if (r) ++succeeded;
            }
        );
    }
    threads.join();
    return {ended, succeeded};
}

}  // namespace

TEST_CASE("two threads run one pipeline of guards: each call ends, every slot is free") {
    Policies p;
    Pipeline pipeline{p.bucket, p.throttle, p.breaker, p.bulkhead};
    std::atomic<int> most{0};
    const Tally tally = run_on_two_threads(pipeline, most);
    CHECK(tally.ended == kCalls);
    INFO("the throttle may shed some of them");
    CHECK(tally.succeeded > 0);
    CHECK(tally.succeeded <= kCalls / 2);
    CHECK(most <= 2);
    CHECK(p.bulkhead.snapshot().in_use == 0);
    CHECK(p.bulkhead.snapshot().waiting == 0);
}

TEST_CASE("two threads run one pipeline with a deadline, retries and timeouts") {
    Policies p;
    Pipeline pipeline{
        Deadline{1min}, p.retry, p.breaker, p.bulkhead, Timeout{{.limit = 1min}}};
    std::atomic<int> most{0};
    CHECK(run_on_two_threads(pipeline, most).succeeded == kCalls);
    CHECK(most <= 2);
    CHECK(p.bulkhead.snapshot().in_use == 0);
    CHECK(p.bulkhead.snapshot().waiting == 0);
}
