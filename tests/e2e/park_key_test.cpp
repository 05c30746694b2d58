// SPDX-License-Identifier: MIT
// Keys whose events are put aside, and go on at the operator's word.
#include <e2e/outbox_command.hpp>
#include <e2e/parked.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace resilience::e2e;
using namespace std::chrono_literals;

TEST_CASE("park_key: a key is put aside across restarts, until it is unparked") {
    const Parked stack(Environment{{"RELAY_POISON", "park_key"}});
    stack.write_one("a", 1);
    stack.write_one("b", 1);
    stack.write_one("b", 2, 2'000'000);
    stack.write_one("b", 3);
    stack.write_one("a", 2);
    {
        Relay one(stack, "one");
        CHECK(eventually([&] { return stack.parked_keys() == Numbers{"b", "b"}; }));
        CHECK(eventually([&] { return stack.delivered_keys().size() == 3; }));
        CHECK(eventually([&] {
            return one.shows(R"(relay_lane_parked_keys{lane="0"} 1)");
        }));
        CHECK(eventually([&] {
            return stack.rows("status = 'FAILED' AND error_message LIKE '%parked%'") == 1;
        }));
        CHECK(one.is_ready());
        one.process->kill();
    }
    stack.write_one("b", 4);
    Relay two(stack, "two");
    CHECK(eventually([&] { return stack.parked_keys().size() == 3; }));
    const auto headers = stack.read(stack.topic() + ".parked", "%h");
    REQUIRE(headers.size() == 3);
    for (std::size_t i = 0; i < headers.size(); ++i) {
        CHECK(headers[i].find("parked_since=3") != std::string::npos);
        const auto number = "parked_number=" + std::to_string(i + 1);
        CHECK(headers[i].find(number) != std::string::npos);
    }
    // A word that comes too late to know all is void.
    const auto say = [&](int events, const std::string& key = "b") {
        stack.say_unparked(key, 3, events);
        CHECK(eventually([&] {
            return stack.sql("SELECT lane FROM outbox_unparks").empty();
        }));
    };
    say(2);
    stack.write_one("b", 5);
    CHECK(eventually([&] { return stack.parked_keys().size() == 4; }));
    // So is one of another parking, which had this number before positions were lost.
    say(4, "a");
    stack.write_one("b", 6);
    CHECK(eventually([&] { return stack.parked_keys().size() == 5; }));
    say(5);
    CHECK(eventually([&] { return two.shows(R"(relay_lane_parked_keys{lane="0"} 0)"); }));
    stack.write_one("b", 7);
    CHECK(eventually([&] { return stack.delivered_keys().size() == 4; }));
    CHECK(stack.parked_keys().size() == 5);
    CHECK(two.ends());
}

TEST_CASE("park_key: outbox verify, audit and rebase know parked events, and send none") {
    const Parked stack(Environment{{"RELAY_POISON", "park_key"}});
    stack.write_one("a", 1);
    stack.write_one("b", 1);
    stack.write_one("b", 2, 2'000'000);
    stack.write_one("b", 3);
    {
        Relay one(stack, "one");
        CHECK(eventually([&] { return stack.parked_keys().size() == 2; }));
        CHECK(one.ends());
    }
    const auto verified = outbox(stack, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
    CHECK_MESSAGE(verified.says("4 records: 0 missing, 0 duplicates"), verified.text);
    CHECK_MESSAGE(verified.says("0 dead letters, 0 replayed, 2 parked"), verified.text);
    const auto audited = outbox(stack, {"audit"});
    CHECK_MESSAGE(audited.code == 0, audited.text);
    CHECK_MESSAGE(audited.says("4 rows compared with 4 records: 0 miss"), audited.text);
    // What a rebase finds undelivered is no reason to overtake.
    stack.write_one("b", 4);
    stack.write_one("a", 2);
    stack.write_one("b", 5);
    const auto rebased = outbox(stack, {"rebase", "--yes"});
    CHECK_MESSAGE(rebased.code == 0, rebased.text);
    CHECK_MESSAGE(rebased.says("3 events were delivered again"), rebased.text);
    CHECK_MESSAGE(rebased.says("2 of them were put aside"), rebased.text);
    CHECK(stack.delivered_keys() == Numbers{"a", "b", "a"});
    const auto headers = stack.read(stack.topic() + ".parked", "%h");
    REQUIRE(headers.size() == 4);
    CHECK(headers[2].find("parked_number=3") != std::string::npos);
    CHECK(headers[3].find("parked_number=4") != std::string::npos);
    // The position counts them: the relay goes on behind them, and takes their word.
    Relay two(stack, "two");
    stack.write_one("b", 6);
    CHECK(eventually([&] { return stack.parked_keys().size() == 5; }));
    stack.say_unparked("b", 3, 5);
    CHECK(eventually([&] { return two.shows(R"(relay_lane_parked_keys{lane="0"} 0)"); }));
    CHECK(two.ends());
    const auto again = outbox(stack, {"audit"});
    CHECK_MESSAGE(again.code == 0, again.text);
    CHECK(outbox(stack, {"verify"}).code == 0);
}

TEST_CASE("RELAY_POISON_TOPICS: a topic has a policy of its own") {
    const Parked stack;
    stack.write_one("a", 1);
    stack.write_one("a", 2, 2'000'000);
    stack.write_one("a", 3);
    Relay one(
        stack, "one", {{"RELAY_POISON_TOPICS", stack.topic() + "=park_key,other=dlq"}}
    );
    CHECK(eventually([&] { return stack.parked_keys().size() == 2; }));
    CHECK(stack.delivered_keys() == Numbers{"a"});
    CHECK(one.is_ready());
    CHECK(one.ends());
}
