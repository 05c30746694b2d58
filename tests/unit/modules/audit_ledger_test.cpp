// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit_ledger.hpp>

#include <doctest/doctest.h>

#include <string>

using resilience::modules::outbox_admin::AuditLedger;

TEST_CASE("an audit misses the rows that were not found, by lane and seq") {
    AuditLedger ledger{10};
    CHECK(ledger.expect({.lane = 1, .seq = 4, .event = "d"}));
    CHECK(ledger.expect({.lane = 0, .seq = 9, .event = "i"}));
    CHECK(ledger.expect({.lane = 0, .seq = 3, .event = "c"}));
    CHECK(ledger.expect({.lane = 0, .seq = 5, .event = "e"}));
    CHECK(ledger.found("e"));
    // It may come twice, and may be a row's that is looked at twice.
    CHECK(ledger.found("e"));
    CHECK(ledger.expect({.lane = 0, .seq = 5, .event = "e"}));
    CHECK_FALSE(ledger.found("nobody's"));
    CHECK(ledger.rows() == 4);
    const auto missing = ledger.missing();
    REQUIRE(missing.size() == 3);
    CHECK(missing[0].event == "c");
    CHECK(missing[1].event == "i");
    CHECK(missing[2].event == "d");
}

TEST_CASE("an audit takes no more rows than it has room for") {
    AuditLedger ledger{2};
    CHECK(ledger.expect({.event = "a"}));
    CHECK(ledger.expect({.event = "b"}));
    CHECK_FALSE(ledger.expect({.event = "c"}));
    CHECK(ledger.found("a"));
    CHECK_FALSE(ledger.expect({.event = "c"}));
    CHECK(ledger.expect({.event = "b"}));
}
