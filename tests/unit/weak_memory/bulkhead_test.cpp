// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/bulkhead.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

/// Time stands still.
struct Still {
    TimePoint now() const noexcept { return start; }
};

using Slots = Bulkhead<NoObserver, Still>;

/// With one slot, for which those who wait do so for ever.
BulkheadOptions one_slot(std::uint32_t queue) {
    return {.limit = 1, .queue = queue, .max_wait = std::chrono::nanoseconds::max()};
}

/// Waits without a thread that sleeps.
class Waiter final : public detail::BulkheadWaiter {
    void wake() noexcept override {}
};

void demand_rest(const Slots& slots) {
    const BulkheadSnapshot s = slots.snapshot();
    demand(s.in_use == 0, "every slot came back");
    demand(s.waiting == 0, "nobody waits");
}

}  // namespace

TEST_CASE("weak memory: what one holder of a slot wrote the next one sees") {
    const Exploration all = explore([] {
        Slots slots{one_slot(0)};
        Plain<int> guarded{0};
        int served = 0;
        const auto call = [&] {
            const Slots::Slot slot = slots.try_acquire();
            if (!slot) return;
            guarded.set(guarded.get() + 1);
            ++served;
        };
        run({call, call, call});
        demand(served >= 1 && guarded.get() == served, "one at a time");
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: two slots are not taken three times") {
    const Exploration all = explore([] {
        Slots slots{{.limit = 2, .queue = 0}};
        std::vector<Slots::Slot> taken;
        taken.reserve(3);
        const auto call = [&] {
            Slots::Slot slot = slots.try_acquire();
            if (slot) taken.push_back(std::move(slot));
        };
        run({call, call, call});
        demand(taken.size() == 2, "as many as there are");
        taken.clear();
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: every thread that waits for a slot gets it in the end") {
    const Exploration all = explore([] {
        Slots slots{one_slot(2)};
        Plain<int> guarded{0};
        const auto call = [&] {
            const Slots::Slot slot = slots.acquire();
            demand(static_cast<bool>(slot), "whoever waits for ever is served");
            guarded.set(guarded.get() + 1);
        };
        run({call, call});
        demand(guarded.get() == 2, "both were served");
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a slot granted to who gives up is neither lost nor minted") {
    const Exploration all = explore([] {
        Slots slots{one_slot(2)};
        std::optional<Slots::Slot> held{slots.try_acquire()};
        Waiter quitter;
        Waiter other;
        slots.enlist(quitter, TimePoint::max(), start);
        slots.enlist(other, TimePoint::max(), start);
        run(
            {[&] { held.reset(); },
             [&] {
                 const auto slot =
                     slots.settle(quitter, detail::WaitEnd::cancelled, start);
                 demand(!slot, "who gave up has none");
             }}
        );
        demand(other.end() == detail::WaitEnd::granted, "the next one has it");
        demand(slots.snapshot().in_use == 1, "and nobody else");
        static_cast<void>(slots.settle(other, detail::WaitEnd::expired, start));
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who comes, who goes, and who gives up at once keep count") {
    const Exploration all = explore([] {
        Slots slots{one_slot(2)};
        std::optional<Slots::Slot> held{slots.try_acquire()};
        Plain<int> guarded{0};
        Waiter quitter;
        run(
            {[&] {
                 guarded.set(1);
                 held.reset();
             },
             [&] {
                 slots.enlist(quitter, TimePoint::max(), start);
                 const auto slot =
                     slots.settle(quitter, detail::WaitEnd::cancelled, start);
             },
             [&] {
                 const auto slot = slots.try_acquire();
                 if (slot) demand(guarded.get() == 1, "what the holder wrote is seen");
             }}
        );
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who finds its wait granted sees what the last holder wrote") {
    const Exploration all = explore([] {
        Slots slots{one_slot(1)};
        Plain<int> guarded{0};
        std::optional<Slots::Slot> held{slots.try_acquire()};
        Waiter waiter;
        slots.enlist(waiter, TimePoint::max(), start);
        run(
            {[&] {
                 guarded.set(1);
                 held.reset();
             },
             [&] {
                 if (waiter.end() != detail::WaitEnd::granted) return;
                 demand(guarded.get() == 1, "it is there");
             }}
        );
        static_cast<void>(slots.settle(waiter, detail::WaitEnd::expired, start));
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: counts are of one limit while it changes") {
    const Exploration all = explore([] {
        Slots slots{one_slot(0)};
        run(
            {[&] {
                 slots.reconfigure(3);
                 slots.reconfigure(2);
             },
             [&] {
                 const BulkheadSnapshot s = slots.snapshot();
                 demand(s.limit >= 1 && s.limit <= 3, "it is one of the limits");
                 demand(s.in_use == 0, "nothing is in use by it");
             }}
        );
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: who is granted the only slot sees what all holders before wrote"
) {
    const Exploration all = explore([] {
        Slots slots{
            {.limit = 2, .queue = 1, .max_wait = std::chrono::nanoseconds::max()}};
        Plain<int> guarded{0};
        std::optional<Slots::Slot> one{slots.try_acquire()};
        std::optional<Slots::Slot> other{slots.try_acquire()};
        slots.reconfigure(1);
        Waiter waiter;
        run(
            {[&] {
                 guarded.set(1);
                 one.reset();
             },
             [&] { slots.enlist(waiter, TimePoint::max(), start); },
             [&] {
                 other.reset();
                 if (waiter.end() != detail::WaitEnd::granted) return;
                 demand(guarded.get() == 1, "both slots came back before");
             }}
        );
        demand(waiter.end() == detail::WaitEnd::granted, "it is granted in the end");
        static_cast<void>(slots.settle(waiter, detail::WaitEnd::expired, start));
        demand_rest(slots);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
