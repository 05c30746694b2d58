// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_STALE_HPP
#define RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_STALE_HPP

#include "contracts/claim_source_fixture.hpp"

#include <chrono>
#include <vector>

namespace contract {

/// `reset_stale` and `depth`.
inline void check_stale_and_depth(const MakeFixture& make) {
    using enum resilience::Disposition;
    using namespace std::chrono_literals;
    const auto fixture = make();
    Relay relay{*fixture};

    SUBCASE("reset_stale leaves rows alone that are not held for so long") {
        fixture->append(make_event(1, "a"));
        REQUIRE(relay.claim().size() == 1);
        CHECK(relay.reset_stale(1h) == 0);
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
    }

    SUBCASE("reset_stale frees rows whoever holds them, and counts nothing") {
        fixture->append(make_event(1, "a"));
        fixture->append(make_event(2, "b"));
        fixture->append(make_event(3, "c"));
        REQUIRE(relay.claim(2).size() == 2);
        Relay other{*fixture};
        CHECK(other.reset_stale(0ms) == 2);
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(fixture->row(event_id(1)).retry_count == 0);
        CHECK(other.claim() == std::vector{event_id(1), event_id(2), event_id(3)});
    }

    SUBCASE("an empty table has no depth") {
        CHECK(relay.depth().events == 0);
        CHECK(relay.depth().oldest == 0ms);
    }

    SUBCASE("depth counts NEW and PROCESSING rows and knows the age of the oldest") {
        auto old = make_event(1, "a");
        old.created_at = std::chrono::floor<std::chrono::milliseconds>(
            resilience::WallClock::now() - 1h
        );
        fixture->append(old);
        fixture->append(make_event(2, "b"));
        fixture->append(make_event(3, "c"));
        REQUIRE(relay.claim(1).size() == 1);
        CHECK(relay.depth().events == 3);
        CHECK(relay.depth().oldest >= 59min);
        CHECK(relay.depth().oldest <= 24h);
        relay.settle({{1, sent}});
        CHECK(relay.depth().events == 2);
        CHECK(relay.depth().oldest < 59min);
        CHECK(relay.claim().size() == 2);
        relay.settle({{2, failed, 0s, "given up"}, {3, sent}});
        CHECK(relay.depth().events == 0);
    }
}

}  // namespace contract

#endif
