// SPDX-License-Identifier: MIT
#include <resilience/inbox.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

TEST_CASE("The identity of an event is the one header ce_id") {
    using Headers = std::vector<Header>;
    const Headers one{{"ce_source", "/s"}, {"ce_id", "7"}, {"id", "8"}};
    CHECK(event_id_of(one) == "7");
    CHECK_FALSE(event_id_of(Headers{}).has_value());
    CHECK_FALSE(event_id_of(Headers{{"CE_ID", "7"}}).has_value());
    CHECK_FALSE(event_id_of(Headers{{"ce_id", "7"}, {"ce_id", "7"}}).has_value());
    CHECK_FALSE(event_id_of(Headers{{"ce_id", "7"}, {"ce_id", "7"}, {"ce_id", "7"}}));
}

TEST_CASE("An inbox refuses names that a store does not take") {
    const Inbox inbox{{.consumer = "mail"}};
    const std::string longest(255, 'x');
    const auto row = inbox.prepare(longest);
    REQUIRE(row.has_value());
    CHECK(row->consumer == "mail");
    CHECK(row->event_id == longest);
    for (const auto& id : {std::string{}, longest + 'x', std::string{"\xff"}}) {
        const auto refused = inbox.prepare(id);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == Errc::invalid_request);
        CHECK(refused.error().detail.starts_with("event_id"));
        CHECK_THROWS_AS(Inbox{{.consumer = id}}, std::invalid_argument);
    }
    CHECK_FALSE(inbox.prepare(std::string(1, '\0')).has_value());
}

TEST_CASE("An inbox refuses to remove without a bound") {
    const Inbox inbox{{.consumer = "mail"}};
    CHECK(inbox.prepare(0ms, 1).has_value());
    CHECK(inbox.prepare(24h * 365 * 100, 1'000'000).has_value());
    for (const auto& refused :
         {inbox.prepare(-1ms, 1),
          inbox.prepare(24h * 365 * 100 + 1ms, 1),
          inbox.prepare(0ms, 0),
          inbox.prepare(0ms, 1'000'001)}) {
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == Errc::invalid_request);
    }
}
