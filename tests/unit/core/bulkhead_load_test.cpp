// SPDX-License-Identifier: MIT
// A bulkhead under overload, and one whose options change.
#include <resilience/bulkhead.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using detail::WaitEnd;

namespace {

constexpr TimePoint kStart{1h};

struct Hands {
    TimePoint now() const { return time; }
    TimePoint time = kStart;
};

using Timed = Bulkhead<NoObserver, Hands&>;
using Slot = Timed::Slot;

class Waiter final : public detail::BulkheadWaiter {
public:
    int woken = 0;

private:
    void wake() noexcept override { ++woken; }
};

}  // namespace

TEST_CASE("overload: the longest waits are shed and the newest is served first") {
    Hands hands;
    Timed bulkhead{
        {.limit = 1,
         .queue = 100,
         .max_wait = 10s,
         .discipline = QueueDiscipline::codel,
         .target = 5ms,
         .interval = 100ms},
        {},
        hands};
    auto slot = bulkhead.try_acquire();
    Waiter waiters[60];
    const auto come = [&](int i) {
        bulkhead.enlist(waiters[i], TimePoint::max(), kStart + i * 5ms);
    };
    const auto finish = [&](int i, std::chrono::nanoseconds when) {
        std::move(slot).done(Verdict::success, kStart + when);
        REQUIRE(waiters[i].woken == 1);
        slot = bulkhead.settle(waiters[i], WaitEnd::expired, kStart + when);
        REQUIRE(slot);
    };
    // One comes each 5 ms, one is served each 10 ms: since 5 ms the queue stands.
    for (int i = 0; i < 40; ++i) {
        come(i);
        if (i % 2 == 1) finish(i / 2, i * 5ms + 4ms);
    }
    CHECK_FALSE(bulkhead.snapshot().overloaded);
    // Since 109 ms, for an interval, the oldest had always waited too long.
    come(40);
    come(41);
    finish(41, 209ms);
    CHECK(bulkhead.snapshot().overloaded);
    for (int i = 20; i < 40; ++i) {
        REQUIRE(waiters[i].woken == 1);
        const auto shed = bulkhead.settle(waiters[i], WaitEnd::expired, kStart + 209ms);
        CHECK(shed.error() == Errc::shed);
    }
    CHECK(bulkhead.snapshot().waiting == 1);
    finish(40, 210ms);
    std::move(slot).done(Verdict::success, kStart + 211ms);
    // The queue has been empty: after this interval it is in the order of coming.
    slot = bulkhead.try_acquire();
    for (const int i : {50, 51, 52}) come(i);
    finish(50, 310ms);
    CHECK_FALSE(bulkhead.snapshot().overloaded);
    finish(51, 311ms);
    CHECK(bulkhead.end(waiters[52], WaitEnd::cancelled));
}

TEST_CASE("a queue that has been empty is not overloaded, however long the waits before"
) {
    Hands hands;
    Timed bulkhead{
        {.limit = 1,
         .queue = 100,
         .max_wait = 10s,
         .discipline = QueueDiscipline::codel,
         .target = 5ms,
         .interval = 100ms},
        {},
        hands};
    Waiter waiters[4];
    // Whoever begins to wait at `from` gets the slot at `to`.
    const auto wait = [&](Waiter& waiter, TimePoint from, TimePoint to) {
        auto slot = bulkhead.try_acquire();
        REQUIRE(slot);
        bulkhead.enlist(waiter, TimePoint::max(), from);
        std::move(slot).done(Verdict::success, to);
        slot = bulkhead.settle(waiter, WaitEnd::expired, to);
        REQUIRE(slot);
        std::move(slot).done(Verdict::success, to);
    };
    wait(waiters[0], kStart, kStart + 150ms);
    wait(waiters[1], kStart + 150ms, kStart + 300ms);
    wait(waiters[2], kStart + 300ms, kStart + 450ms);
    wait(waiters[3], kStart + 1h, kStart + 1h + 12ms);
    CHECK_FALSE(bulkhead.snapshot().overloaded);
}

TEST_CASE("a queue with first come, first served sheds nobody") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 100, .max_wait = 10s}, {}, hands};
    auto slot = bulkhead.try_acquire();
    Waiter waiters[50];
    for (Waiter& w : waiters) bulkhead.enlist(w, TimePoint::max(), kStart);
    for (int i = 0; i < 50; ++i) {
        std::move(slot).done(Verdict::success, kStart + i * 100ms);
        slot = bulkhead.settle(waiters[i], WaitEnd::expired, kStart);
        REQUIRE(slot);
    }
    CHECK_FALSE(bulkhead.snapshot().overloaded);
}

TEST_CASE("a limit that is lowered in use mints no slot and takes none away") {
    Hands hands;
    Timed bulkhead{{.limit = 3, .queue = 1}, {}, hands};
    std::vector<Slot> slots;
    for (int i = 0; i < 3; ++i) slots.push_back(bulkhead.try_acquire());
    bulkhead.reconfigure(1);
    CHECK(bulkhead.snapshot().limit == 1);
    CHECK(bulkhead.snapshot().in_use == 3);
    CHECK_FALSE(bulkhead.try_acquire());
    slots.pop_back();
    slots.pop_back();
    CHECK(bulkhead.snapshot().in_use == 1);
    CHECK_FALSE(bulkhead.try_acquire());
    slots.pop_back();
    CHECK(bulkhead.try_acquire());
    for (int i = 0; i < 100'000; ++i) bulkhead.reconfigure(1 + i % 2);
    CHECK(bulkhead.snapshot().limit == 2);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("a limit that is raised serves who waits") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 3}, {}, hands};
    const auto slot = bulkhead.try_acquire();
    Waiter waiters[3];
    for (Waiter& w : waiters) bulkhead.enlist(w, TimePoint::max(), kStart);
    bulkhead.reconfigure({.limit = 3, .queue = 0});
    CHECK(waiters[0].woken == 1);
    CHECK(waiters[1].woken == 1);
    CHECK(waiters[2].woken == 0);
    CHECK(bulkhead.snapshot().in_use == 3);
    CHECK(bulkhead.options().queue == 0);
    CHECK(bulkhead.try_acquire_or_wait().has_value());
    // Who waited already waits on, though nobody else may.
    Waiter another;
    CHECK(bulkhead.enlist(another, TimePoint::max(), kStart) == WaitEnd::refused);
    for (Waiter& w : waiters) {
        const auto left = bulkhead.settle(w, WaitEnd::cancelled, kStart);
        CHECK_FALSE(left);
    }
    CHECK(bulkhead.snapshot().in_use == 1);
}

TEST_CASE("options that are out of range change nothing") {
    Bulkhead bulkhead{{.limit = 2}};
    const BulkheadOptions before = bulkhead.options();
    CHECK_THROWS_AS(bulkhead.reconfigure(0), std::invalid_argument);
    CHECK_THROWS_AS(
        bulkhead.reconfigure({.limit = 5, .max_wait = 0ns}), std::invalid_argument
    );
    CHECK(bulkhead.options() == before);
    CHECK(bulkhead.snapshot().limit == 2);
}
