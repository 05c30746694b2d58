// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_SETTLEMENTS_HPP
#define RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_SETTLEMENTS_HPP

#include "contracts/claim_source_fixture.hpp"

#include <chrono>
#include <vector>

namespace contract {

/// What `settle` writes, and that it writes only to rows that are still the relay's.
inline void check_settlements(const MakeFixture& make) {
    using enum resilience::Disposition;
    using namespace std::chrono_literals;
    const auto fixture = make();
    Relay relay{*fixture};
    fixture->append(make_event(1, "a"));
    fixture->append(make_event(2, "b"));
    REQUIRE(relay.claim().size() == 2);

    SUBCASE("nothing to settle is no error") {
        relay.settle({});
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
    }

    SUBCASE("sent: the row is SENT, with its time, and is not claimed again") {
        relay.settle({{1, sent}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "SENT");
        CHECK(row.processed);
        CHECK(row.retry_count == 0);
        CHECK(row.error_message.empty());
        CHECK(fixture->row(event_id(2)).status == "PROCESSING");
        CHECK(relay.claim().empty());
    }

    SUBCASE("retry: the row is NEW, the failure is counted and its text kept") {
        relay.settle({{1, retry, 0s, "broken \xc3\xa9 '\"\\{}"}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "NEW");
        CHECK(row.retry_count == 1);
        CHECK(row.error_message == "broken \xc3\xa9 '\"\\{}");
        CHECK_FALSE(row.processed);
        const auto again = relay.claim_events(10);
        REQUIRE(again.size() == 1);
        CHECK(again[0].retry_count == 1);
        relay.settle({{1, sent}});
        CHECK(fixture->row(event_id(1)).retry_count == 1);
        CHECK(fixture->row(event_id(1)).error_message.empty());
    }

    SUBCASE("retry: the row is not due before its delay has passed") {
        relay.settle({{1, retry, 1h, "broken"}});
        CHECK(relay.claim().empty());
    }

    SUBCASE("failed: the row is FAILED, with the last error, and is not claimed again") {
        relay.settle({{1, failed, 0s, "given up"}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "FAILED");
        CHECK(row.error_message == "given up");
        CHECK(row.retry_count == 1);
        CHECK(row.processed);
        CHECK(relay.claim().empty());
    }

    SUBCASE("released: the row is NEW, due, and nothing is counted") {
        relay.settle({{1, released}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "NEW");
        CHECK(row.retry_count == 0);
        CHECK(row.error_message.empty());
        CHECK(relay.claim() == std::vector{event_id(1)});
    }

    SUBCASE("all verdicts of a batch are applied at once") {
        relay.settle({{2, retry, 0s, "broken"}, {1, sent}});
        CHECK(fixture->row(event_id(1)).status == "SENT");
        CHECK(fixture->row(event_id(2)).status == "NEW");
        CHECK(fixture->row(event_id(2)).retry_count == 1);
    }

    SUBCASE("a row that was reset as stale is left alone") {
        CHECK(Relay{*fixture}.reset_stale(0ms) == 2);
        relay.settle({{1, sent}, {2, failed, 0s, "given up"}});
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(fixture->row(event_id(2)).status == "NEW");
        CHECK(fixture->row(event_id(2)).error_message.empty());
    }

    SUBCASE("a row that another relay holds by now is left alone") {
        Relay other{*fixture};
        CHECK(other.reset_stale(0ms) == 2);
        CHECK(other.claim().size() == 2);
        relay.settle({{1, sent}, {2, released}});
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
        CHECK(fixture->row(event_id(2)).status == "PROCESSING");
        other.settle({{1, sent}, {2, sent}});
        CHECK(fixture->row(event_id(1)).status == "SENT");
        CHECK(fixture->row(event_id(2)).status == "SENT");
    }
}

}  // namespace contract

#endif
