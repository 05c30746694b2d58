// SPDX-License-Identifier: MIT
#include <resilience/detail/slot_table.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>

using resilience::detail::SlotTable;

// What another thread does between a decision and its exchange is done here inside the
// decision, so that it happens at that very place, every time.

namespace {

/// A hash whose groups, of two, are `first` and the other; `id` tells keys apart.
std::uint64_t hash_in(std::uint64_t first, std::uint64_t id) { return first << 63 | id; }

/// Makes the zero of a key what it should be; nothing is reclaimed.
void put(SlotTable& table, std::uint64_t hash, std::int64_t zero) {
    REQUIRE(table.update(hash, 0, [&](std::int64_t, std::int64_t& next) {
        next = zero;
        return true;
    }));
}

}  // namespace

TEST_CASE("a key whose slot is reclaimed under its hands is asked again") {
    SlotTable table{2};
    const std::uint64_t ann = hash_in(0, 1000);
    const std::uint64_t bob = hash_in(0, 2000);
    put(table, ann, 50);
    for (std::uint64_t id = 0; id < 15; ++id) put(table, hash_in(id % 2, id), 90);
    int decisions = 0;
    table.update(ann, 0, [&](std::int64_t zero, std::int64_t& next) {
        if (++decisions == 1) {
            // Bob gets the slot, and his zero happens to be the one that ann's was.
            REQUIRE(table.update(bob, 50, [](std::int64_t, std::int64_t& bobs) {
                bobs = 50;
                return true;
            }));
        }
        next = zero + 10;
        return true;
    });
    CHECK(decisions > 1);
    CHECK(table.zero_of(ann) == 60);
}

TEST_CASE("a key whose slot is given away before its word is read decides nothing there"
) {
    SlotTable table{2};
    const std::uint64_t ann = hash_in(0, 1000);
    const std::uint64_t bob = hash_in(0, 2000);
    put(table, ann, 50);
    for (std::uint64_t id = 0; id < 15; ++id) put(table, hash_in(id % 2, id), 90);
    resilience::detail::Slot* const slot = table.find(ann);
    REQUIRE(slot != nullptr);
    REQUIRE(table.update(bob, 50, [](std::int64_t, std::int64_t& next) {
        next = 80;
        return true;
    }));
    REQUIRE(table.find(bob) == slot);
    int decisions = 0;
    const auto reset = [&](std::int64_t, std::int64_t& next) {
        ++decisions;
        next = 10;
        return true;
    };
    CHECK_FALSE(table.update_found(*slot, ann, reset));
    CHECK(decisions == 0);
    CHECK(table.zero_of(bob) == 80);
    CHECK_FALSE(table.update_slot(ann, reset));
    CHECK(decisions == 0);
}

TEST_CASE("a key that gets a slot while it is charged elsewhere is charged there") {
    SlotTable table{2};
    for (std::uint64_t id = 0; id < 16; ++id) put(table, hash_in(id % 2, id), 90);
    const std::uint64_t ann = hash_in(0, 1000);
    const std::uint64_t bob = hash_in(0, 2000);
    int decisions = 0;
    table.update(ann, 0, [&](std::int64_t zero, std::int64_t& next) {
        if (++decisions == 2) REQUIRE(table.claim(ann, 90));
        next = zero + 100;
        return true;
    });
    CHECK(decisions == 4);
    CHECK(table.zero_of(ann) == 190);
    CHECK(table.zero_of(bob) == 90);  // the shared bucket has its own state back
}

TEST_CASE("a reclaimed key is remembered in whichever group it was") {
    SlotTable table{2};
    const std::uint64_t ann = hash_in(0, 1000);
    for (std::uint64_t id = 0; id < 8; ++id) put(table, hash_in(0, id), 90);
    put(table, ann, 50);  // goes to the second of its groups
    for (std::uint64_t id = 100; id < 107; ++id) put(table, hash_in(1, id), 90);
    const std::uint64_t bob = hash_in(1, 2000);
    REQUIRE(table.update(bob, 50, [](std::int64_t, std::int64_t& next) {
        next = 95;
        return true;
    }));
    CHECK(table.zero_of(ann) == 50);
    CHECK(table.zero_of(bob) == 95);
}

TEST_CASE("a slot whose bucket is not full is never given away") {
    SlotTable table{2};
    for (std::uint64_t id = 0; id < 16; ++id) put(table, hash_in(id % 2, id), 90);
    CHECK_FALSE(table.claim(hash_in(0, 1000), 89));
    CHECK(table.claim(hash_in(0, 1000), 90));
}

TEST_CASE("of two threads that bring one key, the one with the lower slot stays") {
    // Two slots can be reclaimed, one at 20 and one at 30; all others are in use.
    SlotTable table{2};
    put(table, hash_in(0, 0), 20);
    put(table, hash_in(0, 1), 30);
    for (std::uint64_t id = 2; id < 16; ++id) put(table, hash_in(id % 2, id), 90);
    const std::uint64_t ann = hash_in(0, 1000);
    SlotTable::Arrival lower = table.announce(ann, 20);
    SlotTable::Arrival upper = table.announce(ann, 30);
    REQUIRE(lower.word < 0);
    REQUIRE(upper.word < 0);
    if (upper.slot < lower.slot) std::swap(lower, upper);
    SUBCASE("the other, even if it has looked before, finds its slot taken from it") {
        table.settle(ann, lower);
        CHECK(upper.slot->word.load() == 0);
    }
    SUBCASE("the other gives way and completes the arrival of the first") {
        table.settle(ann, upper);
        CHECK(upper.slot->word.load() == 0);
    }
    CHECK(lower.slot->word.load() > 0);
    put(table, ann, 70);
    table.settle(ann, lower);
    table.settle(ann, upper);
    CHECK(table.zero_of(ann) == 70);
}

TEST_CASE("a key that has arrived stays where it is when another thread brings it again"
) {
    SlotTable table{2};
    const std::uint64_t ann = hash_in(0, 1000);
    const SlotTable::Arrival first = table.announce(ann, 0);
    const SlotTable::Arrival second = table.announce(ann, 0);
    REQUIRE(first.slot < second.slot);
    // The second has not seen the first: its slot was free when it looked.
    first.slot->word.store(70);
    table.settle(ann, second);
    CHECK(second.slot->word.load() == 0);
    CHECK(table.zero_of(ann) == 70);
}

TEST_CASE("whoever meets an arriving key completes its arrival") {
    SlotTable table{2};
    const std::uint64_t ann = hash_in(0, 1000);
    const SlotTable::Arrival stalled = table.announce(ann, 0);
    put(table, ann, 70);
    CHECK(stalled.slot->word.load() == 70);
    table.settle(ann, stalled);
    CHECK(table.zero_of(ann) == 70);
}

TEST_CASE("a key that loses each slot that it gets is charged without one in the end") {
    SlotTable table{2};
    const std::uint64_t ann = hash_in(0, 1000);
    const std::uint64_t bob = hash_in(0, 2000);
    for (std::uint64_t id = 0; id < 15; ++id) put(table, hash_in(id % 2, id), 90);
    int decisions = 0;
    SlotTable::Arrival bobs;
    const auto charge = [&](std::int64_t zero, std::int64_t& next) {
        if (bobs.slot != nullptr) table.settle(bob, std::exchange(bobs, {}));
        const bool may_lose = ++decisions < 100 && table.find(ann) != nullptr;
        if (may_lose) bobs = table.announce(bob, 50);
        next = zero + 60;
        return true;
    };
    const bool in_slot = table.update(ann, 50, charge);
    CHECK_FALSE(in_slot);
    CHECK(decisions < 20);
    CHECK(table.zero_of(ann) >= 60);
}
