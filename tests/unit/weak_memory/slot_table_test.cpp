// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/detail/slot_table.hpp>

#include <doctest/doctest.h>

#include <cstdint>

using namespace resilience;
using namespace resilience::testing::weak;

namespace {

using Table = detail::SlotTable;

/// Up to this a bucket is full, so that its slot may be given away.
constexpr std::int64_t full = 10;

/// A hash whose groups, of two, are the first and then the other; `id` tells keys apart.
constexpr std::uint64_t key(std::uint64_t id) { return id; }

void charge(Table& table, std::uint64_t hash, std::int64_t cost) {
    table.update(hash, full, [cost](std::int64_t zero, std::int64_t& next) {
        next = zero + cost;
        return true;
    });
}

/// Gives every slot but one away for good.
void crowd(Table& table) {
    for (std::uint64_t id = 1; id < 2 * Table::kSlotsPerGroup; ++id) {
        charge(table, key(id), 90);
    }
}

}  // namespace

TEST_CASE("weak memory: threads that bring one key at once find one slot for it") {
    const Exploration all = explore([] {
        Table table{2};
        const auto call = [&] { charge(table, key(1), 20); };
        run({call, call});
        demand(table.zero_of(key(1)) == 1 + 20 + 20, "it was charged by both");
        demand(table.in_use(0, 0) + table.in_use(1, 0) == 1, "it has one slot");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a key that loses its slot to another owes what it owed") {
    const Exploration all = explore([] {
        Table table{2};
        crowd(table);
        charge(table, key(100), 5);
        run(
            {[&] { charge(table, key(100), 20); },
             [&] { static_cast<void>(table.claim(key(200), full)); }}
        );
        demand(table.zero_of(key(100)) >= 1 + 5 + 20, "it was charged");
        const bool other = table.find(key(200)) != nullptr;
        demand(!other || table.zero_of(key(200)) >= 1 + 5, "who took it began there");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
