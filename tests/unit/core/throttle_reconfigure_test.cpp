// SPDX-License-Identifier: MIT
#include <resilience/registry.hpp>
#include <resilience/throttle.hpp>

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
constexpr std::uint64_t kMost = ~std::uint64_t{0};  // admitted if anything is

using Plain = Throttle<>;

void make_calls(Plain& throttle, int n, Verdict end, TimePoint now) {
    for (int i = 0; i < n; ++i) {
        auto permit = throttle.try_acquire(now, kMost);
        REQUIRE(permit);
        std::move(permit).done(end, now);
    }
}

std::string refused(Plain& throttle, const ThrottleOptions& options) {
    try {
        throttle.reconfigure(options, kStart);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

}  // namespace

TEST_CASE("a throttle in use takes another multiplier, cap or grace and forgets nothing"
) {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 100, Verdict::success, kStart);
    make_calls(throttle, 299, Verdict::transient, kStart + 30s);
    const TimePoint now = kStart + 60s;
    throttle.reconfigure({.multiplier = 3, .grace = 0}, now);
    CHECK(throttle.options().multiplier == 3);
    CHECK(throttle.snapshot(now).requests == 399);
    CHECK(throttle.snapshot(now).rejection == doctest::Approx((399 - 300) / 400.0));
    throttle.reconfigure({.multiplier = 1, .max_rejection = 0.5, .grace = 0}, now);
    CHECK(throttle.snapshot(now).rejection == 0.5);
    throttle.reconfigure({.grace = 1000}, now);
    CHECK(throttle.snapshot(now).rejection == 0.0);
    CHECK(throttle.snapshot(kStart + 120s).requests == 299);
    CHECK(throttle.snapshot(kStart + 150s).requests == 0);
}

TEST_CASE("with another window or other buckets a throttle begins anew") {
    Plain throttle{{.window = 4s, .buckets = 4, .grace = 0}, {}, kStart};
    const auto requests = [&](std::chrono::nanoseconds since) {
        return throttle.snapshot(kStart + since).requests;
    };
    const auto in_each_bucket = [&](std::chrono::nanoseconds since) {
        for (int i = 0; i < 4; ++i) {
            make_calls(throttle, 1, Verdict::success, kStart + since + i * 1s);
        }
    };
    in_each_bucket(0s);
    REQUIRE(requests(3s) == 4);
    throttle.reconfigure({.window = 8s, .buckets = 4, .grace = 0}, kStart + 3s);
    CHECK(requests(3s) == 0);
    CHECK(requests(10s) == 0);
    make_calls(throttle, 1, Verdict::success, kStart + 3s);
    make_calls(throttle, 2, Verdict::success, kStart + 5s);
    CHECK(requests(10'999ms) == 3);
    CHECK(requests(11s) == 2);
    CHECK(requests(13s) == 0);
    throttle.reconfigure({.window = 8s, .buckets = 4}, kStart + 5s);
    CHECK(requests(5s) == 3);
    for (int round = 0; round < 100; ++round) {
        const auto since = 20s + round * 10s;
        throttle.reconfigure(
            {.window = 4s, .buckets = round % 2 == 0 ? 3u : 4u, .grace = 0},
            kStart + since
        );
        REQUIRE(requests(since) == 0);
        in_each_bucket(since);
        REQUIRE(requests(since + 3s) == 4);
    }
}

TEST_CASE("a call of before a new window is accepted in it, and never taken back from it"
) {
    Plain throttle{{.grace = 0}, {}, kStart};
    auto answered = throttle.try_acquire(kStart, kMost);
    auto dropped = throttle.try_acquire(kStart, kMost);
    throttle.reconfigure({.window = 1min, .grace = 0}, kStart);
    make_calls(throttle, 1, Verdict::transient, kStart);
    std::move(answered).done(Verdict::success, kStart);
    { const auto gone = std::move(dropped); }
    CHECK(throttle.snapshot(kStart).requests == 1);
    CHECK(throttle.snapshot(kStart).accepts == 1);
}

TEST_CASE("a throttle's change out of range is refused by name, and changes nothing") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 10, Verdict::transient, kStart);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused(throttle, {.multiplier = nan}) == "ThrottleOptions::multiplier");
    CHECK(refused(throttle, {.window = 0s}) == "ThrottleOptions::window");
    CHECK(refused(throttle, {.buckets = 0}) == "ThrottleOptions::buckets");
    CHECK(refused(throttle, {.max_rejection = 1}) == "ThrottleOptions::max_rejection");
    CHECK(refused(throttle, {.grace = 1'000'001}) == "ThrottleOptions::grace");
    CHECK(throttle.options().multiplier == 2.0);
    CHECK(throttle.snapshot(kStart).requests == 10);
}

TEST_CASE("a registry changes a throttle by its name") {
    Registry registry;
    auto throttle = std::make_shared<Plain>();
    REQUIRE_FALSE(registry.add("peer", throttle));
    CHECK(registry.reconfigure<Plain>("peer", {.multiplier = 1.5}));
    CHECK(throttle->options().multiplier == 1.5);
}

TEST_CASE("threads that call while the window is changed see one set of options or other"
) {
    Plain throttle{{.max_rejection = 0.5, .grace = 0}, {}, kStart};
    std::atomic<std::uint32_t> changes{0};
    std::atomic<int> wrong{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            Random random{static_cast<std::uint64_t>(t + 1)};
            for (int call = 0; call < 20'000; ++call) {
                const TimePoint now = kStart + call * 1ms;
                auto permit = throttle.try_acquire(now, random());
                if (permit && call % 3 == 0) {
                    std::move(permit).done(Verdict::success, now);
                }
                wrong += throttle.snapshot(now).rejection > 0.5;
                if (call % 64 != 0) continue;  // 939 changes; it takes 1,000
                const std::uint32_t buckets = 1 + changes++ % 32;
                throttle.reconfigure(
                    {.window = 1s, .buckets = buckets, .max_rejection = 0.5, .grace = 0},
                    kStart
                );
            }
        });
    }
    threads.clear();
    CHECK(wrong == 0);
    throttle.reconfigure({.grace = 0}, kStart + 1h);
    CHECK(throttle.snapshot(kStart + 1h).requests == 0);
    make_calls(throttle, 7, Verdict::success, kStart + 1h);
    CHECK(throttle.snapshot(kStart + 1h).requests == 7);
}
