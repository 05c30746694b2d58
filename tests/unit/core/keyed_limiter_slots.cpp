// SPDX-License-Identifier: MIT
#include <resilience/detail/slot_table.hpp>

#include <doctest/doctest.h>

#include <cstdint>

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
