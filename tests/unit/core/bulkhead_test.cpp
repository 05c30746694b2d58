// SPDX-License-Identifier: MIT
#include <resilience/bulkhead.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using detail::WaitEnd;

namespace {

constexpr TimePoint kStart{1h};

/// Hands that a test moves; counts who looks.
struct Hands {
    TimePoint now() const {
        ++looks;
        return time;
    }
    TimePoint time = kStart;
    mutable int looks = 0;
};

/// Whatever it is told to do when a call is queued; runs in the caller's thread.
struct OnQueued {
    void on(const BulkheadQueued&) noexcept { (*action)(); }
    std::function<void()>* action;
};

using Timed = Bulkhead<NoObserver, Hands&>;
using Slot = Timed::Slot;

class Waiter final : public detail::BulkheadWaiter {
public:
    int woken = 0;

private:
    void wake() noexcept override { ++woken; }
};

std::optional<std::string> complaint(const BulkheadOptions& options) {
    try {
        Bulkhead<> bulkhead{options};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return std::nullopt;
}

void expect_complaint(const BulkheadOptions& options, const std::string& field) {
    const auto said = complaint(options);
    REQUIRE(said);
    CHECK(said->starts_with("BulkheadOptions::" + field + ":"));
}

}  // namespace

TEST_CASE("a bulkhead names the option that is out of range") {
    CHECK_FALSE(complaint({}));
    expect_complaint({.limit = 0}, "limit");
    expect_complaint({.limit = 1u << 23}, "limit");
    CHECK_FALSE(complaint({.limit = (1u << 23) - 1}));
    expect_complaint({.queue = 1u << 24}, "queue");
    CHECK_FALSE(complaint({.queue = (1u << 24) - 1}));
    expect_complaint({.max_wait = 0ns}, "max_wait");
    expect_complaint({.max_wait = -1ns}, "max_wait");
    CHECK_FALSE(complaint({.max_wait = std::chrono::nanoseconds::max()}));
    expect_complaint({.discipline = static_cast<QueueDiscipline>(2)}, "discipline");
    expect_complaint({.target = 0ns}, "target");
    expect_complaint({.target = -5ms}, "target");
    expect_complaint({.interval = 4ms}, "interval");
    expect_complaint({.interval = -1ms}, "interval");
    CHECK_FALSE(complaint({.target = 5ms, .interval = 5ms}));
}

TEST_CASE("as many calls as the limit go ahead, and the next when one has ended") {
    Bulkhead bulkhead{{.limit = 3}};
    std::vector<Bulkhead<>::Slot> slots;
    for (int i = 0; i < 3; ++i) {
        slots.push_back(bulkhead.try_acquire(kStart));
        CHECK(slots.back());
        CHECK_FALSE(slots.back().error());
    }
    const auto refused = bulkhead.try_acquire();
    CHECK_FALSE(refused);
    CHECK(refused.error() == Errc::bulkhead_full);
    CHECK(is_refusal(refused.error()));
    CHECK(classify(refused.error()).verdict == Verdict::ignored);
    CHECK(refused.retry_after() == 0ns);
    CHECK(bulkhead.snapshot().in_use == 3);
    std::move(slots.back()).done(Verdict::transient, kStart);
    CHECK(bulkhead.try_acquire());
    CHECK(bulkhead.snapshot().in_use == 2);
}

TEST_CASE("a slot is given back exactly once (resilience4j#332, #1569)") {
    Bulkhead bulkhead{{.limit = 2}};
    {
        auto held = bulkhead.try_acquire();
        auto slot = bulkhead.try_acquire();
        std::move(slot).done();
        std::move(slot).done(Verdict::success, kStart);
        std::move(slot).done();
        CHECK(bulkhead.snapshot().in_use == 1);

        auto moved = std::move(held);
        std::move(held).done();
        CHECK(bulkhead.snapshot().in_use == 1);
        auto& same = moved;
        moved = std::move(same);
        CHECK(moved);
        CHECK(bulkhead.snapshot().in_use == 1);

        auto other = bulkhead.try_acquire();
        CHECK(bulkhead.snapshot().in_use == 2);
        moved = std::move(other);
        CHECK(moved);
        CHECK(bulkhead.snapshot().in_use == 1);
        auto refused = Bulkhead<>::Slot{std::move(other)};
        CHECK_FALSE(refused);
    }
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.snapshot().limit == 2);
    CHECK_FALSE([&] {
        auto a = bulkhead.try_acquire();
        auto b = bulkhead.try_acquire();
        return static_cast<bool>(bulkhead.try_acquire());
    }());
}

TEST_CASE("an exception gives the slot back") {
    Bulkhead bulkhead{{.limit = 1}};
    const auto call = [&] {
        const auto slot = bulkhead.try_acquire();
        throw std::runtime_error("the call failed");
    };
    CHECK_THROWS_AS(call(), std::runtime_error);
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.try_acquire());
}

TEST_CASE("who waits is served in the order of coming, and before who comes later") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 3}, {}, hands};
    auto slot = bulkhead.try_acquire();
    Waiter waiters[3];
    for (Waiter& w : waiters) {
        CHECK(bulkhead.enlist(w, TimePoint::max(), kStart) == WaitEnd::undecided);
    }
    CHECK(bulkhead.snapshot().waiting == 3);
    for (int i = 0; i < 3; ++i) {
        std::move(slot).done();
        CHECK_FALSE(bulkhead.try_acquire());
        CHECK(bulkhead.snapshot().in_use == 1);
        CHECK(waiters[i].woken == 1);
        slot = bulkhead.settle(waiters[i], WaitEnd::expired, kStart);
        REQUIRE(slot);
        CHECK(bulkhead.snapshot().waiting == 2u - static_cast<unsigned>(i));
    }
    std::move(slot).done();
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("no more wait than the queue has room for: room for none, for one, for two") {
    Hands hands;
    for (const std::uint32_t room : {0u, 1u, 2u}) {
        Timed bulkhead{{.limit = 1, .queue = room}, {}, hands};
        const auto slot = bulkhead.try_acquire();
        Waiter waiters[3];
        for (std::uint32_t i = 0; i < 3; ++i) {
            const bool fits = i < room;
            CHECK(bulkhead.try_acquire_or_wait().has_value() == !fits);
            const auto end = bulkhead.enlist(waiters[i], TimePoint::max(), kStart);
            CHECK(end == (fits ? WaitEnd::undecided : WaitEnd::refused));
        }
        CHECK(bulkhead.snapshot().waiting == room);
        for (Waiter& w : waiters) {
            const auto left = bulkhead.settle(w, WaitEnd::cancelled, kStart);
            CHECK_FALSE(left);
            CHECK(w.woken == 0);
        }
        CHECK(bulkhead.snapshot().waiting == 0);
        CHECK_FALSE(bulkhead.acquire(kStart));
    }
}

TEST_CASE("who gives up leaves the queue, and takes no slot along (failsafe#393)") {
    Hands hands;
    Timed bulkhead{{.limit = 8, .queue = 8}, {}, hands};
    std::vector<Slot> slots;
    for (int i = 0; i < 8; ++i) slots.push_back(bulkhead.try_acquire());
    for (int round = 0; round < 3; ++round) {
        Waiter waiters[8];
        for (Waiter& w : waiters) {
            CHECK(bulkhead.enlist(w, TimePoint::max(), kStart) == WaitEnd::undecided);
        }
        for (Waiter& w : waiters) {
            CHECK(
                bulkhead.settle(w, WaitEnd::expired, kStart).error() ==
                Errc::bulkhead_full
            );
        }
    }
    slots.clear();
    CHECK(bulkhead.snapshot().in_use == 0);
    for (int i = 0; i < 8; ++i) slots.push_back(bulkhead.try_acquire());
    for (const Slot& slot : slots) CHECK(slot);
}

TEST_CASE("a cancellation that loses to a grant gives the slot on (failsafe#393)") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 2}, {}, hands};
    auto slot = bulkhead.try_acquire();
    Waiter first;
    Waiter second;
    bulkhead.enlist(first, TimePoint::max(), kStart);
    bulkhead.enlist(second, TimePoint::max(), kStart);
    std::move(slot).done();
    CHECK(first.woken == 1);
    CHECK(bulkhead.settle(first, WaitEnd::cancelled, kStart).error() == Errc::cancelled);
    CHECK(second.woken == 1);
    CHECK(bulkhead.snapshot().in_use == 1);
    CHECK(bulkhead.settle(second, WaitEnd::cancelled, kStart).error() == Errc::cancelled);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("a cancellation that wins is passed by (failsafe#393)") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 2}, {}, hands};
    auto slot = bulkhead.try_acquire();
    Waiter first;
    Waiter second;
    bulkhead.enlist(first, TimePoint::max(), kStart);
    bulkhead.enlist(second, TimePoint::max(), kStart);
    CHECK(bulkhead.end(first, WaitEnd::cancelled));
    CHECK(bulkhead.snapshot().waiting == 1);
    std::move(slot).done();
    CHECK(first.woken == 0);
    CHECK(second.woken == 1);
    CHECK_FALSE(bulkhead.settle(first, WaitEnd::expired, kStart));
    slot = bulkhead.settle(second, WaitEnd::expired, kStart);
    CHECK(slot);
}

TEST_CASE("a wait that was ended before it began takes neither slot nor place") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 2}, {}, hands};
    Waiter early;
    bulkhead.end(early, WaitEnd::cancelled);
    CHECK(bulkhead.enlist(early, TimePoint::max(), kStart) == WaitEnd::cancelled);
    CHECK(bulkhead.snapshot().in_use == 0);
    const auto slot = bulkhead.try_acquire();
    CHECK(bulkhead.enlist(early, TimePoint::max(), kStart) == WaitEnd::cancelled);
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("who has waited too long gets no slot, however late it is told (scylladb#7340)"
) {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 3, .max_wait = 50ms}, {}, hands};
    auto slot = bulkhead.try_acquire();
    Waiter late;
    Waiter hasty;
    Waiter patient;
    bulkhead.enlist(late, TimePoint::max(), kStart);
    bulkhead.enlist(hasty, kStart + 45ms, kStart + 40ms);
    bulkhead.enlist(patient, TimePoint::max(), kStart + 40ms);
    std::move(slot).done(Verdict::success, kStart + 50ms);
    CHECK(late.woken == 1);
    CHECK(hasty.woken == 1);
    CHECK(bulkhead.settle(late, WaitEnd::expired, kStart).error() == Errc::bulkhead_full);
    CHECK(
        bulkhead.settle(hasty, WaitEnd::expired, kStart).error() == Errc::bulkhead_full
    );
    slot = bulkhead.settle(patient, WaitEnd::expired, kStart);
    CHECK(slot);
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("when all who wait are late, the slot is free again (scylladb#7340)") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 3, .max_wait = 50ms}, {}, hands};
    Waiter late[3];
    {
        const auto slot = bulkhead.try_acquire();
        for (Waiter& w : late) bulkhead.enlist(w, TimePoint::max(), kStart);
        hands.time = kStart + 1s;
    }
    for (Waiter& w : late) {
        CHECK(w.woken == 1);
        CHECK_FALSE(bulkhead.settle(w, WaitEnd::expired, kStart));
    }
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.try_acquire());
}

TEST_CASE("a deadline that has passed begins no wait") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 1}, {}, hands};
    const auto slot = bulkhead.try_acquire();
    CHECK(bulkhead.acquire(kStart).error() == Errc::bulkhead_full);
    CHECK(bulkhead.acquire(TimePoint::min()).error() == Errc::bulkhead_full);
    Waiter late;
    CHECK(bulkhead.enlist(late, kStart, kStart) == WaitEnd::expired);
    CHECK_FALSE(late.waited());
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("the clock is read when somebody waits, and never else") {
    Hands hands;
    Timed bulkhead{{.limit = 1, .queue = 1}, {}, hands};
    for (int i = 0; i < 3; ++i) {
        const auto slot = bulkhead.acquire();
        CHECK(slot);
        CHECK_FALSE(bulkhead.try_acquire());
    }
    CHECK(hands.looks == 0);
    Waiter waiter;
    auto slot = bulkhead.try_acquire();
    bulkhead.enlist(waiter, TimePoint::max(), kStart);
    CHECK_FALSE(bulkhead.acquire());
    CHECK(hands.looks == 0);
    std::move(slot).done();
    CHECK(hands.looks == 1);
    slot = bulkhead.settle(waiter, WaitEnd::expired, kStart);
}

TEST_CASE("a thread that waits takes the slot that comes back") {
    std::optional<Bulkhead<OnQueued>::Slot> held;
    std::function<void()> action = [&] { held.reset(); };
    Bulkhead bulkhead{{.limit = 1, .queue = 1}, OnQueued{&action}};
    held = bulkhead.try_acquire();
    const auto slot = bulkhead.acquire();
    CHECK(slot);
    CHECK(bulkhead.snapshot().in_use == 1);
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("a request to stop ends the wait of a thread") {
    std::stop_source stop;
    std::function<void()> action = [&] { stop.request_stop(); };
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 24h}, OnQueued{&action}};
    const auto held = bulkhead.try_acquire();
    CHECK(
        bulkhead.acquire(TimePoint::max(), stop.get_token()).error() == Errc::cancelled
    );
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("a thread that is stopped as it is served gives the slot back (failsafe#393)") {
    std::optional<Bulkhead<OnQueued>::Slot> held;
    std::stop_source stop;
    std::function<void()> action = [&] {
        held.reset();
        stop.request_stop();
    };
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 24h}, OnQueued{&action}};
    held = bulkhead.try_acquire();
    CHECK(
        bulkhead.acquire(TimePoint::max(), stop.get_token()).error() == Errc::cancelled
    );
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.try_acquire());
}

TEST_CASE("the wait of a thread ends at its deadline") {
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 1ns}};
    const auto held = bulkhead.try_acquire();
    CHECK(bulkhead.acquire().error() == Errc::bulkhead_full);
    bulkhead.reconfigure({.limit = 1, .queue = 1, .max_wait = 24h});
    CHECK(bulkhead.acquire(Clock::now() + 1us).error() == Errc::bulkhead_full);
    CHECK(bulkhead.snapshot().waiting == 0);
}
