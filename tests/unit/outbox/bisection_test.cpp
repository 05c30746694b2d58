// SPDX-License-Identifier: MIT
#include "src/outbox/bisection.hpp"

#include <doctest/doctest.h>

#include <set>
#include <vector>

using resilience::detail::Bisection;

namespace {

struct Found {
    std::vector<std::size_t> guilty;
    std::vector<std::size_t> innocent;
    std::size_t tries = 0;
};

Found bisect(std::size_t count, const std::set<std::size_t>& guilty) {
    Found found;
    Bisection parts(count);
    while (const auto part = parts.next()) {
        ++found.tries;
        const auto first = guilty.lower_bound(part->first);
        const bool refused = first != guilty.end() && *first < part->first + part->count;
        if (refused && part->count > 1) {
            parts.split();
            continue;
        }
        for (std::size_t i = 0; i < part->count; ++i) {
            (refused ? found.guilty : found.innocent).push_back(part->first + i);
        }
        parts.decide();
    }
    return found;
}

}  // namespace

TEST_CASE("bisection: every set of guilty items is found, in order, and no other") {
    for (std::size_t count = 0; count <= 9; ++count) {
        for (unsigned bits = 0; bits < (1U << count); ++bits) {
            std::set<std::size_t> guilty;
            std::vector<std::size_t> expected[2];
            for (std::size_t i = 0; i < count; ++i) {
                const bool is_guilty = (bits >> i & 1U) != 0;
                if (is_guilty) guilty.insert(i);
                expected[is_guilty ? 1 : 0].push_back(i);
            }
            const auto found = bisect(count, guilty);
            CHECK(found.innocent == expected[0]);
            CHECK(found.guilty == expected[1]);
        }
    }
}

TEST_CASE("bisection: one guilty item among many is found with two tries per halving") {
    CHECK(bisect(1024, {}).tries == 1);
    for (const std::size_t guilty : {0U, 511U, 512U, 1023U}) {
        CHECK(bisect(1024, {guilty}).tries == 21);
    }
}
