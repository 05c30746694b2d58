// SPDX-License-Identifier: MIT
#include <resilience/hedge.hpp>

#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using detail::LatencyHistogram;
using detail::LatencyScale;
using std::chrono::nanoseconds;

const TimePoint kStart{1000s};

RetryBudgetOptions empty_budget() { return {.ratio = 0, .min_per_sec = 0, .initial = 0}; }

struct Log {
    std::vector<std::string>* lines;
    void on(const HedgeStarted& e) noexcept { add("started", e.attempt); }
    void on(const HedgeSuppressed& e) noexcept { add("suppressed", e.attempt); }
    void on(const HedgeWon& e) noexcept { add("won", e.attempt); }
    void add(const char* what, std::uint32_t n) {
        lines->push_back(what + (" " + std::to_string(n)));
    }
};

}  // namespace

TEST_CASE("hedge: an option out of range is refused by name; so is silence on idempotence"
) {
    RetryBudget budget;
    const auto refused =
        [&](HedgeOptions options, const char* field, bool idempotent = true) {
            options.idempotent = idempotent;
            try {
                Hedge<> hedge{options, budget};
                FAIL("not refused");
            } catch (const std::invalid_argument& e) {
                CHECK(std::string{e.what()}.starts_with(field));
            }
        };
    refused({}, "HedgeOptions::idempotent ", false);
    for (const std::uint32_t bad : {0u, 1u, 17u, 1u << 31}) {
        refused({.attempts = bad}, "HedgeOptions::attempts ");
    }
    refused({.delay = -1ns}, "HedgeOptions::delay ");
    refused({.delay = nanoseconds::max()}, "HedgeOptions::delay ");
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const double bad : {-0.1, 0.49, 0.9991, 1.0, nan, HUGE_VAL}) {
        refused({.quantile = bad}, "HedgeOptions::quantile ");
    }
    refused({.min_delay = -1ns}, "HedgeOptions::min_delay ");
    refused({.min_delay = 2s, .max_delay = 1s}, "HedgeOptions::max_delay ");
    refused({.max_delay = nanoseconds::max()}, "HedgeOptions::max_delay ");
    CHECK_NOTHROW(Hedge<>{{.attempts = 16, .delay = 0ns, .idempotent = true}, budget});
}

TEST_CASE("hedge: each time falls into the bucket that holds it, an eighth wide at most"
) {
    std::size_t last = 0;
    testing::SeededRandom random;
    CAPTURE(random.seed());
    for (std::int64_t ns = 0; ns < 1'000'000'000'000; ns += 1 + ns / 50) {
        const std::size_t bucket = LatencyScale::bucket_of(nanoseconds{ns});
        CHECK(bucket >= last);
        CHECK(bucket <= last + 1);
        last = bucket;
        CHECK(LatencyScale::end_of(bucket).count() > ns);
        if (bucket > 8) {
            CHECK(LatencyScale::end_of(bucket - 1).count() <= ns);
            CHECK(LatencyScale::end_of(bucket).count() <= ns + ns / 8 + 1);
        }
    }
    CHECK(LatencyScale::bucket_of(nanoseconds{-5}) == 0);
    CHECK(LatencyScale::bucket_of(nanoseconds::max()) == LatencyScale::kBuckets - 1);
    CHECK(LatencyScale::bucket_of(nanoseconds::min()) == 0);
}

TEST_CASE("hedge: the quantile is that of the sorted times, rounded up to a bucket") {
    testing::SeededRandom random;
    CAPTURE(random.seed());
    for (int round = 0; round < 50; ++round) {
        LatencyHistogram histogram;
        std::vector<std::int64_t> times;
        const std::size_t n = 1 + random.below(1000);
        for (std::size_t i = 0; i < n; ++i) {
            times.push_back(static_cast<std::int64_t>(random() >> (24 + random.below(30)))
            );
            histogram.record(nanoseconds{times.back()});
        }
        std::sort(times.begin(), times.end());
        for (const double q : {0.5, 0.9, 0.95, 0.999}) {
            const auto rank = static_cast<std::size_t>(std::ceil(q * double(n))) - 1;
            const auto bucket = LatencyScale::bucket_of(nanoseconds{times[rank]});
            CHECK(histogram.quantile(q) == LatencyScale::end_of(bucket));
        }
    }
}

TEST_CASE("hedge: old latencies are forgotten by halves") {
    LatencyHistogram histogram;
    for (std::uint32_t i = 0; i < LatencyHistogram::kMemory; ++i) histogram.record(1ms);
    CHECK(histogram.size() == LatencyHistogram::kMemory / 2);
    for (std::uint32_t i = 0; i < LatencyHistogram::kMemory / 2; ++i)
        histogram.record(1s);
    CHECK(histogram.size() == LatencyHistogram::kMemory / 2);
    CHECK(histogram.quantile(0.5) < 2ms);
    CHECK(histogram.quantile(0.51) > 900ms);
    for (int i = 0; i < 40'000; ++i) histogram.record(1s);
    CHECK(histogram.quantile(0.5) > 900ms);
    CHECK(histogram.size() <= LatencyHistogram::kMemory);
}

TEST_CASE("hedge: threads that record at once lose nothing but what is forgotten") {
    LatencyHistogram histogram;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 20'000; ++i) histogram.record(1ms);
            });
        }
    }
    // What came while one thread was halving is halved by the next records.
    for (int i = 0; i < 20; ++i) histogram.record(1ms);
    CHECK(histogram.size() <= LatencyHistogram::kMemory);
    CHECK(histogram.size() >= LatencyHistogram::kMemory / 2);
    CHECK(histogram.quantile(0.999) < 2ms);
}

TEST_CASE("hedge: the delay is fixed until enough calls are seen, then the quantile") {
    RetryBudget budget;
    Hedge<> fixed{{.delay = 30ms, .idempotent = true}, budget};
    Hedge<> hedge{{.delay = 30ms, .quantile = 0.95, .idempotent = true}, budget};
    for (int i = 0; i < 1000; ++i) fixed.record(1s);
    CHECK(fixed.delay() == 30ms);
    for (std::uint32_t i = 0; i < Hedge<>::kLeastSamples - 1; ++i) hedge.record(5ms);
    CHECK(hedge.delay() == 30ms);
    for (int i = 0; i < 32; ++i) hedge.record(5ms);
    REQUIRE(hedge.delay());
    CHECK(*hedge.delay() >= 5ms);
    CHECK(*hedge.delay() < 6ms);
    CHECK(hedge.snapshot().delay == hedge.delay());
}

TEST_CASE("hedge: the delay has a floor, and slow as a whole is not hedged (brpc#2695)") {
    RetryBudget budget;
    const HedgeOptions options{
        .quantile = 0.9, .min_delay = 10ms, .max_delay = 100ms, .idempotent = true};
    Hedge<> quick{options, budget};
    Hedge<> slow{options, budget};
    for (int i = 0; i < 1000; ++i) {
        quick.record(10us);
        slow.record(200ms);
    }
    CHECK(quick.delay() == 10ms);
    CHECK(!slow.delay().has_value());
    CHECK(!slow.snapshot().delay.has_value());
    for (int i = 0; i < 20'000; ++i) slow.record(20ms);
    CHECK(slow.delay().has_value());
}

TEST_CASE("hedge: what lost tells at least its time, or the delay would shrink each time"
) {
    CHECK(detail::tells_latency(Verdict::abandoned, true));
    CHECK(detail::tells_latency(Verdict::transient, true));
    CHECK(!detail::tells_latency(Verdict::transient, false));
    CHECK(!detail::tells_latency(Verdict::ignored, false));
    CHECK(!detail::tells_latency(Verdict::abandoned, false));
    CHECK(detail::tells_latency(Verdict::success, false));
    CHECK(detail::tells_latency(Verdict::client_error, false));

    // One call in ten takes 1 s, the others 10 ms to 20 ms; hedges take 10 ms. The times
    // of slow first attempts are cut off where the hedge answered.
    RetryBudget budget;
    Hedge<> hedge{{.delay = 50ms, .quantile = 0.95, .idempotent = true}, budget};
    testing::SeededRandom random;
    CAPTURE(random.seed());
    for (int i = 0; i < 50'000; ++i) {
        const bool slow = random.below(10) == 0;
        const nanoseconds own =
            slow ? nanoseconds{1s}
                 : nanoseconds{10ms} + nanoseconds{random.below(10'000'000)};
        hedge.record(std::min(own, *hedge.delay() + 10ms));
    }
    CHECK(*hedge.delay() > 20ms);
}

TEST_CASE("hedge: an answer ends the call, and so does what no repetition cures") {
    for (const Verdict v :
         {Verdict::success, Verdict::slow, Verdict::client_error, Verdict::permanent}) {
        CHECK(detail::ends_hedged_call(v));
    }
    for (const Verdict v :
         {Verdict::transient, Verdict::throttled, Verdict::ignored, Verdict::abandoned}) {
        CHECK(!detail::ends_hedged_call(v));
    }
    CHECK(detail::forbids_hedges(Verdict::throttled));
    CHECK(detail::forbids_hedges(Verdict::ignored));
    CHECK(!detail::forbids_hedges(Verdict::transient));
}

TEST_CASE("hedge: attempts are paid from the budget, calls deposit into it (brpc#3228)") {
    std::vector<std::string> log;
    RetryBudget budget{empty_budget(), kStart};
    Hedge hedge{{.idempotent = true}, budget, Log{&log}};
    CHECK(!hedge.try_start(1, kStart));
    CHECK(hedge.snapshot().suppressed == 1);

    RetryBudget tenth{{.ratio = 0.1, .min_per_sec = 0, .initial = 0}, kStart};
    Hedge paid{{.idempotent = true}, tenth, Log{&log}};
    Hedge inner{{.idempotent = true, .deposit = false}, tenth};
    for (int i = 0; i < 30; ++i) {
        paid.begin(kStart);
        inner.begin(kStart);
    }
    int started = 0;
    for (int i = 0; i < 30; ++i) started += bool(paid.try_start(1, kStart));
    CHECK(started == 3);
    CHECK(paid.snapshot().calls == 30);
    CHECK(paid.snapshot().hedges == 3);
    CHECK(paid.snapshot().suppressed == 27);
    paid.decide(0);
    paid.decide(1);
    CHECK(paid.snapshot().wins == 1);
    CHECK(log[0] == "suppressed 1");
    CHECK(log[1] == "started 1");
    CHECK(log.back() == "won 1");
}

TEST_CASE("hedge: an attempt that a local limit refused is paid back") {
    RetryBudget budget{{.ratio = 0, .min_per_sec = 0, .cap = 14, .initial = 14}, kStart};
    Hedge<> hedge{{.idempotent = true}, budget};
    BudgetLease lease = hedge.try_start(1, kStart);
    REQUIRE(lease);
    CHECK(!hedge.try_start(1, kStart));
    std::move(lease).done(Verdict::ignored);
    lease = hedge.try_start(1, kStart);
    CHECK(lease);
    { BudgetLease spent = std::move(lease); }
    CHECK(!hedge.try_start(1, kStart));
}

TEST_CASE("hedge: decisions allocate nothing") {
    RetryBudget budget;
    Hedge<> hedge{{.quantile = 0.9, .idempotent = true}, budget};
    testing::AllocationCounter counter;
    for (int i = 0; i < 3000; ++i) {
        hedge.begin(kStart);
        (void)hedge.delay();
        BudgetLease lease = hedge.try_start(1, kStart);
        hedge.record(1ms);
        hedge.decide(1);
    }
    CHECK(counter.made() == 0);
}
