// SPDX-License-Identifier: MIT
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/manual_clock.hpp>
#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;

struct alignas(128) Wide {
    char bytes[128];
};

// Out of sight of the optimiser, which may leave out a new-expression that nobody needs.
[[gnu::noinline]] std::unique_ptr<int> make(int value) {
    return std::make_unique<int>(value);
}
[[gnu::noinline]] std::unique_ptr<Wide> make_wide() { return std::make_unique<Wide>(); }

}  // namespace

TEST_CASE("a manual clock shows what it was set to, and moves both ways") {
    testing::ManualClock clock;
    const TimePoint start = clock.now();
    CHECK(start != TimePoint{});
    CHECK(clock.now() == start);
    CHECK(clock.advance(3s) == start + 3s);
    CHECK(clock.now() == start + 3s);
    clock.advance(-5s);
    CHECK(clock.now() == start - 2s);
    clock.set(TimePoint::max());
    CHECK(clock.now() == TimePoint::max());
}

TEST_CASE("a seeded random repeats its sequence and tells its seed") {
    testing::SeededRandom a{7};
    testing::SeededRandom b{7};
    testing::SeededRandom c{8};
    CHECK(a.seed() == 7);
    const auto first = a();
    CHECK(first == b());
    CHECK(first != c());
    for (int i = 0; i < 100; ++i) CHECK(a.below(10) < 10);
}

TEST_CASE("allocations of this thread are counted, with their bytes; others are not") {
    testing::AllocationCounter counter;
    CHECK(counter.made() == 0);
    {
        const auto small = make(1);
        CHECK(counter.made() == 1);
        CHECK(counter.bytes() == sizeof(int));
        const auto wide = make_wide();
        CHECK(counter.made() == 2);
        CHECK(reinterpret_cast<std::uintptr_t>(wide.get()) % 128 == 0);
    }
    CHECK(counter.freed() == 2);
    const auto before = counter.made();
    std::thread other;
    const auto with_thread = [&] {
        other = std::thread{[] { std::vector<int> v(1000); }};
    };
    with_thread();
    other.join();
    CHECK(counter.bytes() < 1000 * sizeof(int));
    CHECK(counter.made() >= before);
}

TEST_CASE("arrays are counted, and what may not throw yields null when it fails") {
    testing::AllocationCounter counter;
    void* array = ::operator new[](100);
    void* maybe = ::operator new(10, std::nothrow);
    CHECK(counter.made() == 2);
    CHECK(counter.bytes() == 110);
    ::operator delete[](array);
    ::operator delete(maybe, std::nothrow);
    CHECK(counter.freed() == 2);
    testing::FailingAllocation failing{0};
    CHECK(::operator new(10, std::nothrow) == nullptr);
    CHECK(failing.failed());
}

TEST_CASE("the allocation asked for fails, once, and none after the object's end") {
    {
        testing::FailingAllocation failing{1};
        const auto first = make(1);
        CHECK_THROWS_AS((void)make(2), std::bad_alloc);
        CHECK(failing.failed());
        CHECK_NOTHROW((void)make(3));
    }
    { testing::FailingAllocation never{0}; }
    CHECK_NOTHROW((void)make(4));
}

TEST_CASE("each allocation of a piece of work fails in turn") {
    int finished = 0;
    int checked = 0;
    const auto failures = testing::fail_each_allocation(
        [&] {
            const auto a = make(1);
            const auto b = make(2);
            const auto c = make(3);
            ++finished;
        },
        [&] { ++checked; }
    );
    CHECK(failures == 3);
    CHECK(finished == 1);
    CHECK(checked == 4);
}
