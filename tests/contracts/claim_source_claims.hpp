// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_CLAIMS_HPP
#define RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_CLAIMS_HPP

#include "contracts/claim_source_fixture.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace contract {

/// What `claim` returns, to whom, and in which order.
inline void check_claims(const MakeFixture& make) {
    using enum resilience::Disposition;
    using namespace std::chrono_literals;
    const auto fixture = make();
    Relay relay{*fixture};
    const auto append = [&](int number, std::string key) {
        fixture->append(make_event(number, std::move(key)));
    };

    SUBCASE("an empty table gives nothing") { CHECK(relay.claim().empty()); }

    SUBCASE("the content comes back as it was written") {
        auto written = make_event(1, "k\xc3\xa9y \"'\\");
        written.event_data =
            R"({"e":"a\"b\\c","n":[1,null,true],"u":"\u00e9","s":"','"})";
        written.headers = {{"traceparent", "00-ab-cd-01"}, {"x", "\xe2\x82\xac \"q\""}};
        written.created_at =
            resilience::WallClock::time_point{std::chrono::milliseconds{1700000000123}};
        written.max_retries = 7;
        fixture->append(written);
        const auto claimed = relay.claim_events(10);
        REQUIRE(claimed.size() == 1);
        const auto& event = claimed[0].event;
        CHECK(event.id == written.id);
        CHECK(event.aggregate_type == written.aggregate_type);
        CHECK(event.aggregate_id == written.aggregate_id);
        CHECK(event.event_type == written.event_type);
        CHECK(
            boost::json::parse(event.event_data) == boost::json::parse(written.event_data)
        );
        CHECK(event.topic == written.topic);
        CHECK(event.partition_key == written.partition_key);
        auto headers = event.headers;
        std::sort(headers.begin(), headers.end());
        CHECK(headers == written.headers);
        CHECK(event.created_at == written.created_at);
        CHECK(event.max_retries == 7);
        CHECK(claimed[0].retry_count == 0);
    }

    SUBCASE("rows come by ascending seq, at most as many as asked for") {
        for (int i = 1; i <= 5; ++i) append(i, "k" + std::to_string(i));
        const auto first = relay.claim_events(3);
        REQUIRE(first.size() == 3);
        CHECK(first[0].seq < first[1].seq);
        CHECK(first[1].seq < first[2].seq);
        CHECK(first[0].event.id == event_id(1));
        CHECK(first[2].event.id == event_id(3));
        CHECK(relay.claim(3) == std::vector{event_id(4), event_id(5)});
        CHECK(relay.claim(3).empty());
    }

    SUBCASE("a claimed row is PROCESSING and no other relay gets it") {
        append(1, "a");
        Relay other{*fixture};
        CHECK(relay.claim() == std::vector{event_id(1)});
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
        CHECK(other.claim().empty());
    }

    SUBCASE("rows of one key are claimed together in the order of writing") {
        append(1, "a");
        append(2, "b");
        append(3, "a");
        CHECK(relay.claim() == std::vector{event_id(1), event_id(2), event_id(3)});
    }

    SUBCASE("no row overtakes an earlier PROCESSING row of its key, whoever holds it") {
        append(1, "a");
        CHECK(relay.claim(1) == std::vector{event_id(1)});
        append(2, "a");
        append(3, "b");
        Relay other{*fixture};
        CHECK(other.claim() == std::vector{event_id(3)});
        CHECK(relay.claim().empty());
        relay.settle({{1, sent}});
        CHECK(other.claim() == std::vector{event_id(2)});
    }

    SUBCASE("no row overtakes an earlier row of its key that waits for its retry") {
        append(1, "a");
        append(2, "b");
        CHECK(relay.claim().size() == 2);
        relay.settle({{1, retry, 1h, "broken"}, {2, sent}});
        append(3, "a");
        append(4, "b");
        CHECK(relay.claim() == std::vector{event_id(4)});
    }

    SUBCASE("a row that waited comes back before the later rows of its key") {
        append(1, "a");
        CHECK(relay.claim().size() == 1);
        append(2, "a");
        relay.settle({{1, retry, 0s, "broken"}});
        CHECK(relay.claim(1) == std::vector{event_id(1)});
        relay.settle({{1, sent}});
        CHECK(relay.claim(1) == std::vector{event_id(2)});
    }

    SUBCASE("a FAILED row does not hold its key up") {
        append(1, "a");
        CHECK(relay.claim().size() == 1);
        relay.settle({{1, failed, 0s, "given up"}});
        append(2, "a");
        CHECK(relay.claim() == std::vector{event_id(2)});
    }

    SUBCASE("rows held up behind one key do not use up the limit") {
        append(1, "a");
        CHECK(relay.claim().size() == 1);
        relay.settle({{1, retry, 1h, "broken"}});
        for (int i = 2; i <= 40; ++i) append(i, "a");
        append(41, "b");
        append(42, "c");
        CHECK(relay.claim(2) == std::vector{event_id(41), event_id(42)});
    }
}

}  // namespace contract

#endif
