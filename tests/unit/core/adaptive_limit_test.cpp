// SPDX-License-Identifier: MIT
#include <resilience/adaptive_limit.hpp>
#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

constexpr TimePoint kStart{1h};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::optional<std::string> complaint(const AdaptiveLimitOptions& options) {
    try {
        AdaptiveLimit<> limit{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return std::nullopt;
}

void expect_complaint(const AdaptiveLimitOptions& options, const std::string& field) {
    const auto said = complaint(options);
    REQUIRE(said);
    CHECK(said->starts_with("AdaptiveLimitOptions::" + field + ":"));
}

/// Makes calls that are in flight together and take equally long.
void call(
    AdaptiveLimit<>& limit,
    TimePoint& now,
    int calls,
    std::chrono::nanoseconds took,
    Verdict verdict = Verdict::success
) {
    std::vector<AdaptiveLimit<>::Permit> permits;
    for (int i = 0; i < calls; ++i) {
        auto permit = limit.try_acquire(now);
        if (permit) permits.push_back(std::move(permit));
    }
    now += took;
    for (auto& permit : permits) std::move(permit).done(verdict, now);
}

}  // namespace

TEST_CASE("an adaptive limit names the option that is out of range") {
    CHECK_FALSE(complaint({}));
    expect_complaint({.algorithm = static_cast<LimitAlgorithm>(2)}, "algorithm");
    expect_complaint({.floor = 0}, "floor");
    expect_complaint({.initial = 5, .floor = 5, .ceiling = 4}, "ceiling");
    expect_complaint({.ceiling = (1u << 24) + 1}, "ceiling");
    expect_complaint({.initial = 4, .floor = 5}, "initial");
    expect_complaint({.initial = 11, .ceiling = 10}, "initial");
    expect_complaint({.probe = 0}, "probe");
    expect_complaint({.probe_every = -1ns}, "probe_every");
    CHECK_FALSE(complaint({.probe_every = 0ns}));
    expect_complaint({.window = 0ns}, "window");
    expect_complaint({.window = 1h + 1ns}, "window");
    expect_complaint({.min_samples = 0}, "min_samples");
    expect_complaint({.min_samples = 10001}, "min_samples");
    for (const double bad : {kNaN, kInfinity, -1.0}) {
        expect_complaint({.tolerance = bad}, "tolerance");
        expect_complaint({.backoff = bad}, "backoff");
        expect_complaint({.drop_tolerance = bad}, "drop_tolerance");
    }
    expect_complaint({.tolerance = 0.99}, "tolerance");
    expect_complaint({.tolerance = 101}, "tolerance");
    expect_complaint({.backoff = 0}, "backoff");
    expect_complaint({.backoff = 1}, "backoff");
    expect_complaint({.drop_tolerance = 1}, "drop_tolerance");
    expect_complaint({.timeout = 0ns}, "timeout");
}

TEST_CASE("calls that all time out after the same time (concurrency-limits#137)") {
    for (const auto algorithm : {LimitAlgorithm::aimd, LimitAlgorithm::gradient}) {
        for (const auto verdict : {Verdict::transient, Verdict::success}) {
            AdaptiveLimit limit{
                {.algorithm = algorithm, .initial = 50, .timeout = 5s}, {}, kStart};
            TimePoint now = kStart;
            for (int i = 0; i < 200; ++i) call(limit, now, 50, 5s, verdict);
            CHECK(limit.snapshot().limit == 1);
            CHECK(limit.snapshot().baseline == 0ns);
        }
    }
}

TEST_CASE("calls that fail at once do not pass for fast ones") {
    AdaptiveLimit limit{{.initial = 20}, {}, kStart};
    TimePoint now = kStart;
    for (int i = 0; i < 100; ++i) call(limit, now, 20, 10ms);
    const auto before = limit.snapshot();
    CHECK(before.baseline > 9'900us);
    CHECK(before.baseline <= 10ms);
    for (const auto v : {Verdict::permanent, Verdict::ignored, Verdict::abandoned}) {
        for (int i = 0; i < 1000; ++i) call(limit, now, 20, 1us, v);
    }
    CHECK(limit.snapshot().limit == before.limit);
    CHECK(limit.snapshot().baseline == before.baseline);
}

TEST_CASE("5.7: what calls waited for a turn is no time that they took") {
    AdaptiveLimit limit{{.initial = 20}, {}, kStart};
    TimePoint now = kStart;
    for (int i = 0; i < 2000; ++i) {
        auto permit = limit.try_acquire(now);
        REQUIRE(permit);
        now += 30ms;
        permit.waited(20ms);
        std::move(permit).done(Verdict::success, now);
    }
    CHECK(limit.snapshot().baseline > 9'900us);
    CHECK(limit.snapshot().baseline <= 10ms);
}

TEST_CASE("calls that began before a probe do not measure anything in it (Envoy#11579)") {
    AdaptiveLimit limit{{.initial = 20, .probe_every = 1s}, {}, kStart};
    TimePoint now = kStart;
    std::vector<AdaptiveLimit<>::Permit> old;
    for (int i = 0; i < 15; ++i) old.push_back(limit.try_acquire(now));
    for (int i = 0; i < 1'000 && !limit.snapshot().probing; ++i)
        call(limit, now, 5, 10ms);
    REQUIRE(limit.snapshot().probing);
    const auto before = limit.snapshot().baseline;
    CHECK(limit.snapshot().limit == 3);
    now += 1ms;
    for (auto& permit : old) std::move(permit).done(Verdict::success, now);
    CHECK(limit.snapshot().probing);
    for (int i = 0; i < 10 && limit.snapshot().probing; ++i) call(limit, now, 3, 20ms);
    CHECK_FALSE(limit.snapshot().probing);
    CHECK(before < 11ms);
    CHECK(limit.snapshot().baseline > 19ms);
    CHECK(limit.snapshot().baseline < 21ms);
    CHECK(limit.snapshot().limit > 3);
}

TEST_CASE("permits: at most the limit, given back once, however they end") {
    AdaptiveLimit limit{{.initial = 2}, {}, kStart};
    {
        auto a = limit.try_acquire(kStart);
        auto b = limit.try_acquire(kStart);
        CHECK(a);
        CHECK(b);
        const auto refused = limit.try_acquire(kStart);
        CHECK_FALSE(refused);
        CHECK(refused.error() == Errc::bulkhead_full);
        CHECK(refused.retry_after() == 0ns);
        auto moved = std::move(a);
        std::move(a).done(Verdict::success, kStart);
        CHECK(limit.snapshot().in_flight == 2);
        std::move(moved).done(Verdict::success, kStart);
        std::move(moved).done(Verdict::success, kStart);
        CHECK(limit.snapshot().in_flight == 1);
        moved = std::move(b);
        CHECK(moved);
        CHECK_FALSE(moved.error());
        moved = limit.try_acquire(kStart);
        CHECK(limit.snapshot().in_flight == 1);
    }
    CHECK(limit.snapshot().in_flight == 0);
    CHECK_THROWS_AS(
        [&] {
            const auto permit = limit.try_acquire(kStart);
            throw std::runtime_error("the call failed");
        }(),
        std::runtime_error
    );
    CHECK(limit.snapshot().in_flight == 0);
}

TEST_CASE("low traffic: one call now and then moves no limit and starves nothing") {
    AdaptiveLimit limit{{.initial = 20, .probe_every = 1s}, {}, kStart};
    TimePoint now = kStart;
    for (int i = 0; i < 10'000; ++i) {
        now += 700ms;
        call(limit, now, 1, i % 2 == 0 ? 1ms : 300ms);
        REQUIRE(limit.snapshot().in_flight == 0);
    }
    CHECK(limit.snapshot().limit == 20);
}

TEST_CASE("low traffic: a limit of one lets calls through") {
    AdaptiveLimit limit{{.initial = 1, .ceiling = 1}, {}, kStart};
    TimePoint now = kStart;
    for (int i = 0; i < 1'000; ++i) {
        auto permit = limit.try_acquire(now);
        REQUIRE(permit);
        REQUIRE_FALSE(limit.try_acquire(now));
        now += 10ms;
        std::move(permit).done(Verdict::success, now);
    }
    CHECK(limit.snapshot().limit == 1);
}

TEST_CASE("reconfiguring in use mints no permit, and keeps what was learned") {
    AdaptiveLimit limit{{.initial = 20}, {}, kStart};
    TimePoint now = kStart;
    for (int i = 0; i < 50; ++i) call(limit, now, 20, 10ms);
    const auto before = limit.snapshot();
    CHECK(before.baseline > 0ns);
    {
        std::vector<AdaptiveLimit<>::Permit> permits;
        for (int i = 0; i < 10; ++i) permits.push_back(limit.try_acquire(now));
        limit.reconfigure({.initial = 2, .ceiling = 4}, now);
        CHECK(limit.snapshot().limit == 4);
        CHECK(limit.snapshot().in_flight == 10);
        CHECK_FALSE(limit.try_acquire(now));
        while (permits.size() > 4) permits.pop_back();
        CHECK_FALSE(limit.try_acquire(now));
        permits.pop_back();
        CHECK(limit.try_acquire(now));
    }
    CHECK(limit.snapshot().baseline == before.baseline);
    CHECK(limit.options().ceiling == 4);
    CHECK_THROWS_AS(limit.reconfigure({.floor = 0}, now), std::invalid_argument);
    CHECK(limit.options().ceiling == 4);
    CHECK(limit.snapshot().in_flight == 0);
}

TEST_CASE("an observer sees refusals, changes and what was abandoned") {
    struct Tally {
        void on(const LimitRefused& e) noexcept { refused += e.limit; }
        void on(const LimitChanged& e) noexcept {
            CHECK(e.from != e.to);
            last = e;
        }
        void on(const LimitAbandoned&) noexcept { ++abandoned; }
        std::uint32_t refused = 0;
        int abandoned = 0;
        LimitChanged last;
    } tally;
    AdaptiveLimit<Tally&> limit{{.initial = 2, .floor = 2}, tally, kStart};
    TimePoint now = kStart;
    {
        const auto a = limit.try_acquire(now);
        const auto b = limit.try_acquire(now);
        CHECK_FALSE(limit.try_acquire(now));
    }
    CHECK(tally.refused == 2);
    CHECK(tally.abandoned == 2);
    for (int i = 0; i < 40; ++i) {
        auto a = limit.try_acquire(now);
        auto b = limit.try_acquire(now);
        now += 10ms;
        std::move(a).done(Verdict::success, now);
        std::move(b).done(Verdict::success, now);
    }
    CHECK(tally.last.to == limit.snapshot().limit);
    CHECK(tally.last.to > 2);
    CHECK(tally.last.baseline == limit.snapshot().baseline);
}

TEST_CASE("admitting, refusing and learning allocate nothing") {
    AdaptiveLimit limit{{.initial = 1, .ceiling = 1}, {}, kStart};
    TimePoint now = kStart;
    int refused = 0;
    testing::AllocationCounter counter;
    for (int i = 0; i < 1'000; ++i) {
        auto permit = limit.try_acquire(now);
        refused += !limit.try_acquire(now);
        now += 1ms;
        std::move(permit).done(i % 2 == 0 ? Verdict::success : Verdict::throttled, now);
    }
    CHECK(counter.made() == 0);
    CHECK(refused == 1'000);
}

TEST_CASE("threads never exceed an adaptive limit (concurrency-limits#234)") {
    AdaptiveLimit limit{{.initial = 1, .ceiling = 1, .window = 1us, .min_samples = 1}};
    std::atomic<std::uint32_t> in_flight{0};
    std::atomic<bool> too_many{false};
    std::vector<std::thread> threads;
    std::latch start{4};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            start.arrive_and_wait();
            for (int n = 0; n < 20'000; ++n) {
                auto permit = limit.try_acquire();
                if (!permit) continue;
                if (in_flight.fetch_add(1) >= 1) too_many = true;
                if (n % 4 == 0) std::this_thread::yield();
                in_flight.fetch_sub(1);
                const auto v = n % 7 == i ? Verdict::throttled : Verdict::success;
                if (n % 5 != 0) std::move(permit).done(v);
                if (n % 1000 == 0) limit.reconfigure(limit.options());
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK_FALSE(too_many);
    CHECK(limit.snapshot().in_flight == 0);
    CHECK(limit.snapshot().limit == 1);
}

static_assert(Guard<AdaptiveLimit<>>);

TEST_CASE("a call from the first instant of the clock to the last is a long one") {
    AdaptiveLimit limit{{}, {}, TimePoint::min()};
    auto permit = limit.try_acquire(TimePoint::min());
    std::move(permit).done(Verdict::success, TimePoint::max());
    CHECK(limit.snapshot().in_flight == 0);
    using detail::saturated_span;
    using std::chrono::nanoseconds;
    CHECK(saturated_span(TimePoint::min(), TimePoint::max()) == nanoseconds::max());
    CHECK(saturated_span(TimePoint::max(), TimePoint::min()) == nanoseconds::min());
    CHECK(saturated_span(TimePoint{3s}, TimePoint{1s}) == -2s);
    CHECK(saturated_span(TimePoint{-1s}, TimePoint{1s}) == 2s);
}
