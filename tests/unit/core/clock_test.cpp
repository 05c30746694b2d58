// SPDX-License-Identifier: MIT
#include <resilience/clock.hpp>
#include <resilience/fixed_window.hpp>
#include <resilience/token_bucket.hpp>
#include <resilience/tsc_clock.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// What the clocks of a test show, and how often the reference was read.
struct World {
    std::atomic<std::int64_t> ns{3'600'000'000'000};
    std::atomic<std::int64_t> base_ns{0};
    std::atomic<std::uint64_t> base_count{0};
    std::atomic<double> counts_per_ns{2.6};
    std::atomic<bool> invariant{true};
    std::atomic<std::uint64_t> reads{0};
    // How far the hands move with each look at the counter or the reference.
    std::atomic<std::int64_t> counter_step{0}, reference_step{0};

    std::uint64_t count() const {
        const double since = static_cast<double>(ns - base_ns) * counts_per_ns;
        return base_count + static_cast<std::uint64_t>(since);
    }
    /// From here on the counter stands elsewhere, or runs at another rate.
    void set_counter(std::uint64_t to, double rate) {
        base_count = to;
        base_ns = ns.load();
        counts_per_ns = rate;
    }
};

struct FakeCounter {
    World* world;
    std::uint64_t read() const noexcept {
        world->ns += world->counter_step;
        return world->count();
    }
    bool invariant() const noexcept { return world->invariant; }
};

struct FakeReference {
    World* world;
    TimePoint now() const noexcept {
        ++world->reads;
        world->ns += world->reference_step;
        return at(world->ns);
    }
};

using TestClock = CalibratedClock<FakeCounter, FakeReference>;

std::int64_t shown(const TestClock& clock) {
    return clock.now().time_since_epoch().count();
}

/// Lets time pass in small steps; the greatest difference to the reference.
std::int64_t run(World& world, const TestClock& clock, std::int64_t ns, Random& random) {
    std::int64_t worst = 0, last = shown(clock);
    for (const std::int64_t end = world.ns + ns; world.ns < end;) {
        world.ns += random.of_any_size(1'000'000);
        const std::int64_t now = shown(clock);
        REQUIRE(now >= last);
        last = now;
        worst = std::max(worst, std::abs(now - world.ns));
    }
    return worst;
}

}  // namespace

TEST_CASE("every clock tells instants of one scale, which every policy takes") {
    const TscClock tsc;
    static_assert(std::is_same_v<decltype(CoarseClock::now()), TimePoint>);
    static_assert(std::is_same_v<decltype(tsc.now()), TimePoint>);
    TokenBucket bucket{{.tokens = 1, .period = 24h, .burst = 3}};
    CHECK(bucket.try_acquire(1, CoarseClock::now()));
    CHECK(bucket.try_acquire(1, tsc.now()));
    CHECK(bucket.try_acquire(1));
    CHECK_FALSE(bucket.try_acquire(1, CoarseClock::now()));
    CHECK_FALSE(bucket.try_acquire(1, tsc.now()));
}

TEST_CASE("the coarse clock is never early, and not later than it says") {
    CHECK(CoarseClock::resolution() >= 1ns);
    CHECK(CoarseClock::resolution() <= 10ms);
    TimePoint last{};
    for (int i = 0; i < 10'000; ++i) {
        const TimePoint coarse = CoarseClock::now();
        CHECK(coarse <= Clock::now());
        CHECK(coarse >= last);
        last = coarse;
    }
}

TEST_CASE("a bucket asked with a late clock gives no more than has arrived by then") {
    Random random{40'000};
    const TokenBucketOptions o{.tokens = 1'000'000, .period = 1s, .burst = 100};
    TokenBucket bucket{o};
    std::int64_t taken = 0, first = -1;
    for (std::int64_t now = 3'600'000'000'000; now < 3'601'000'000'000;) {
        now += random.in(0, 20'000);
        const std::int64_t coarse = now / 4'000'000 * 4'000'000;
        if (first < 0) first = coarse;
        taken += bucket.acquire_up_to(10, at(coarse));
        REQUIRE(taken <= 100 + (coarse - first) / 1'000);
    }
}

TEST_CASE("a counter that may change its rate is never used") {
    World world;
    world.invariant = false;
    const TestClock clock{{&world}, {&world}};
    Random random{40'100};
    CHECK(run(world, clock, 1'000'000'000, random) == 0);
    CHECK_FALSE(clock.counting());
    CHECK_FALSE(clock.usable());
}

TEST_CASE("the counter takes over once its rate is known, and the reference is left alone"
) {
    World world;
    const TestClock clock{{&world}, {&world}};
    Random random{40'200};
    CHECK(run(world, clock, 9'000'000, random) == 0);
    CHECK_FALSE(clock.counting());
    run(world, clock, 3'000'000, random);
    REQUIRE(clock.counting());
    const std::uint64_t before = world.reads;
    for (int i = 0; i < 80; ++i) {
        world.ns += 1'000'000;
        REQUIRE(std::abs(shown(clock) - world.ns) < 100);
    }
    CHECK(world.reads == before);
    CHECK(run(world, clock, 100'000'000'000, random) < 100);
    CHECK(clock.usable());
}

TEST_CASE("the clock goes no further than a tenth of a second without the reference") {
    World world;
    const TestClock clock{{&world}, {&world}};
    Random random{40'300};
    run(world, clock, 50'000'000, random);
    const std::int64_t before = shown(clock);
    world.set_counter(world.count(), 2.6e6);  // runs away
    world.ns += 100'000;
    const std::int64_t after = shown(clock);
    CHECK(after >= before);
    CHECK(after <= before + 101'000'000);
}

TEST_CASE("a counter that was set back, or runs at another rate, is measured anew") {
    for (const bool set_back : {true, false}) {
        World world;
        const TestClock clock{{&world}, {&world}};
        Random random{40'400};
        run(world, clock, 1'000'000'000, random);
        REQUIRE(clock.counting());
        if (set_back) {
            world.set_counter(5, 2.6);
        } else {
            world.set_counter(world.count(), 2.5);
        }
        // Found out within a tenth of a second, in which it may be off by a fraction.
        run(world, clock, 130'000'000, random);
        CHECK(run(world, clock, 1'000'000'000, random) < 10'000'000);
        CHECK(clock.counting());
        CHECK(run(world, clock, 1'000'000'000, random) < 100);
    }
}

TEST_CASE("a counter that is found wrong three times in a row is given up") {
    World world;
    const TestClock clock{{&world}, {&world}};
    Random random{40'500};
    double rate = 2.6;
    for (int i = 0; i < 3; ++i) {
        CHECK(clock.usable());
        run(world, clock, 15'000'000, random);
        world.set_counter(world.count(), rate *= 0.9);
        run(world, clock, 120'000'000, random);
    }
    CHECK_FALSE(clock.usable());
    run(world, clock, 1'000'000'000, random);
    CHECK(run(world, clock, 1'000'000'000, random) == 0);
}

TEST_CASE("three wrong measurements among right ones do no harm") {
    World world;
    const TestClock clock{{&world}, {&world}};
    Random random{40'600};
    for (int i = 0; i < 10; ++i) {
        run(world, clock, 1'000'000'000, random);
        world.set_counter(5, 2.6);
        run(world, clock, 1'000'000'000, random);
        CHECK(clock.usable());
        CHECK(clock.counting());
    }
}

TEST_CASE("a counter that stands still is given up") {
    World world;
    world.counts_per_ns = 0;
    const TestClock clock{{&world}, {&world}};
    Random random{40'700};
    CHECK(run(world, clock, 1'000'000'000, random) == 0);
    CHECK_FALSE(clock.usable());
}

TEST_CASE("a reference that is slewed, at most by one in two thousand, is followed") {
    World world;
    const TestClock clock{{&world}, {&world}};
    Random random{40'800};
    double rate = 2.6;
    for (int i = 0; i < 100; ++i) {
        world.set_counter(world.count(), rate * (1 + 0.0005 * double(random.in(-1, 1))));
        CHECK(run(world, clock, 400'000'000, random) < 120'000);
        CHECK(run(world, clock, 600'000'000, random) < 1'000);
        CHECK(clock.usable());
        CHECK(clock.counting());
    }
}

TEST_CASE("a clock that is ahead of the reference waits for it, and does not step back") {
    World world;
    const TestClock clock{{&world}, {&world}};
    Random random{40'900};
    run(world, clock, 1'000'000'000, random);
    world.set_counter(world.count(), 2.6 * 1.0005);
    std::int64_t last = 0;
    for (int i = 0; i < 600'000; ++i) {
        world.ns += 1'000;
        const std::int64_t now = shown(clock);
        REQUIRE(now >= last);
        last = now;
        if (i > 500'000) REQUIRE(std::abs(now - world.ns) < 1'000);
    }
}

TEST_CASE("a measurement that was interrupted does not count") {
    World world;
    const TestClock clock{{&world}, {&world}};
    world.ns += 20'000'000;
    world.reference_step = 5'000'000;  // the thread is suspended while it reads
    shown(clock);
    CHECK_FALSE(clock.counting());
    world.reference_step = 0;
    shown(clock);
    CHECK(clock.counting());
}

TEST_CASE("no thread sees the time go backwards while others measure") {
    World world;
    world.counter_step = 50'000;
    const TestClock clock{{&world}, {&world}};
    std::atomic<int> backwards{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            std::int64_t last = 0;
            for (int step = 0; step < 100'000; ++step) {
                const std::int64_t now = shown(clock);
                // What one reading takes while four threads move the hands.
                if (now < last - 2'000'000) ++backwards;
                last = std::max(last, now);
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(backwards == 0);
    CHECK(clock.usable());
    CHECK(clock.counting());
}

TEST_CASE("the time-stamp counter's clock agrees with the clock of the system") {
    const TscClock clock;
    const TimePoint end = Clock::now() + 20ms;
    TimePoint last{};
    while (Clock::now() < end) {
        const TimePoint before = Clock::now(), now = clock.now(), after = Clock::now();
        CHECK(now >= last);
        CHECK(now >= before - 100us);
        CHECK(now <= after + 100us);
        last = now;
    }
}
