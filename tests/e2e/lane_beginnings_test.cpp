// SPDX-License-Identifier: MIT
// Where lanes begin: in a new table, in one that relays in claim mode have delivered
// from, and when their positions are lost.
#include <e2e/lanes.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <set>
#include <string>
#include <utility>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

// Lets a relay in claim mode deliver everything, and end by itself.
void claim_all(const Lanes& stack) {
    Relay relay(stack, "claims", {{"RELAY_MODE", "claim"}});
    REQUIRE(eventually([&] { return stack.rows("status <> 'SENT'") == 0; }, 60s));
    CHECK(relay.ends());
}

// Whether the relay is not ready and says this.
bool refuses(const Relay& relay, const std::string& sentence) {
    return eventually([&] {
        const auto ready = relay.http().get("/readyz").status;
        const auto said = relay.http().get("/health").body;
        return ready == 503 && said.find(sentence) != std::string::npos;
    });
}

std::size_t distinct(const Lanes& stack) {
    std::set<std::string> ids;
    for (const auto& message : stack.delivered()) ids.insert(message.id);
    return ids.size();
}

}  // namespace

TEST_CASE("I11: a table that relays in claim mode delivered from is not begun unasked") {
    const Lanes stack(1);
    stack.create_topic();
    stack.write(1, 300);
    claim_all(stack);
    stack.write(301, 500);
    {
        Relay unasked(stack, "unasked");
        CHECK(refuses(unasked, "RELAY_FIRST: lane 0 has no position"));
        CHECK(stack.delivered().size() == 300);
        CHECK(unasked.ends());
    }
    {
        Relay asked(stack, "asked", {{"RELAY_FIRST", "after_claims"}});
        REQUIRE(stack.all_delivered());
        CHECK(asked.is_ready());
        CHECK(eventually([&] { return stack.rows("status = 'SENT'") == 500; }));
        CHECK(asked.ends());
    }
    // From then on the position alone counts.
    stack.write(501, 600);
    Relay later(stack, "later");
    REQUIRE(stack.all_delivered());
    CHECK(later.ends());
    CHECK(stack.delivered().size() == 600);
    CHECK(distinct(stack) == 600);
}

TEST_CASE("I11: a lane whose position is lost is not begun anew, on no word but one") {
    const Lanes stack(1, {{"RELAY_REPORT", "off"}});
    stack.create_topic();
    stack.write(1, 100);
    {
        Relay one(stack, "one");
        REQUIRE(stack.all_delivered());
        CHECK(one.ends());
    }
    CHECK(stack.rows("status = 'NEW'") == 100);
    // Nothing is found under another name, as if the topic of the positions were gone.
    const auto lost = [&](const char* first) {
        return Environment{
            {"RELAY_OUTBOX", stack.environment().at("DB_NAME") + "_2"},
            {"RELAY_FIRST", first}};
    };
    for (const char* first : {"untouched", "after_claims", "refuse"}) {
        Relay again(stack, "again", lost(first));
        CHECK(refuses(again, "though it has had one since"));
        CHECK(again.ends());
    }
    CHECK(stack.delivered().size() == 100);
    Relay willing(stack, "willing", lost("everything"));
    CHECK(eventually([&] { return stack.delivered().size() == 200; }, 60s));
    CHECK(distinct(stack) == 100);
    CHECK(willing.ends());
}

TEST_CASE("RELAY_FIRST=refuse begins no lane") {
    const Lanes stack(1);
    stack.create_topic();
    stack.write(1, 10);
    {
        Relay one(stack, "one", {{"RELAY_FIRST", "refuse"}});
        CHECK(refuses(one, "set it to untouched if the lane is new"));
        CHECK(stack.delivered().empty());
        CHECK(one.ends());
    }
    Relay two(stack, "two");
    CHECK(stack.all_delivered());
    CHECK(two.ends());
}

TEST_CASE("rows that a killed relay in claim mode holds are not begun after") {
    const Lanes stack(1);
    stack.create_topic();
    stack.write(1, 10);
    claim_all(stack);
    (void)stack.sql(
        "UPDATE outbox_events SET status = 'PROCESSING', claimed_at = now(), claimed_by "
        "= "
        "gen_random_uuid() WHERE aggregate_id = '3'"
    );
    Relay one(stack, "one", {{"RELAY_FIRST", "after_claims"}});
    CHECK(refuses(one, "rows are PROCESSING"));
    CHECK(stack.delivered().size() == 10);
    CHECK(one.ends());
}
