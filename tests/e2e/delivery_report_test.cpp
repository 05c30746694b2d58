// SPDX-License-Identifier: MIT
// What relays that deliver exactly once show of it in the table.
#include <e2e/lanes.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace resilience::e2e;
using namespace std::chrono_literals;

TEST_CASE("what was delivered becomes SENT, and a dead letter FAILED with its reason") {
    const Lanes stack(4, {{"RELAY_POISON", "dlq"}});
    stack.create_topic();
    stack.write(1, 2000);
    (void)stack.sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic) VALUES (gen_random_uuid(), 't', 'odd', 'e', "
        "to_jsonb(repeat('x', 2000000)), '" +
        stack.topic() + "')"
    );
    stack.create_topic(stack.topic() + ".dlq");
    Relay one(stack, "one");
    REQUIRE(eventually([&] { return stack.delivered().size() >= 2000; }, 60s));
    CHECK(eventually([&] { return stack.rows("status = 'NEW'") == 0; }));
    CHECK(stack.rows("status = 'SENT' AND processed_at IS NOT NULL") == 2000);
    CHECK(stack.rows("status = 'FAILED' AND aggregate_id = 'odd'") == 1);
    const auto why =
        stack.sql("SELECT error_message FROM outbox_events WHERE aggregate_id = 'odd'");
    REQUIRE_MESSAGE(why.size() == 1, one.process->output());
    CHECK_MESSAGE(why[0].find("large") != std::string::npos, why[0]);
    CHECK(one.shows(R"(relay_report_rows_total{result="sent"} 2000)"));
    CHECK(one.shows(R"(relay_report_rows_total{result="failed"} 1)"));
    CHECK(one.shows("relay_report_behind_seconds 0"));
    CHECK(one.ends());
}

TEST_CASE("I1: a report begins where a relay that was killed left it") {
    const Lanes stack(4);
    stack.create_topic();
    stack.write(1, 500);
    {
        Relay one(stack, "one");
        REQUIRE(eventually([&] { return stack.rows("status = 'SENT'") == 500; }, 60s));
        // The report is held up, the lanes are not.
        (void)stack.sql(
            "CREATE FUNCTION wait_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM pg_sleep(2); RETURN NEW; END $$; "
            "CREATE TRIGGER wait_long BEFORE UPDATE ON outbox_events FOR EACH STATEMENT "
            "EXECUTE FUNCTION wait_long()"
        );
        stack.write(501, 20'000);
        REQUIRE(eventually([&] { return stack.delivered().size() == 20'000; }, 60s));
        CHECK(stack.rows("status = 'NEW'") > 0);
        one.process->kill();
    }
    (void)stack.sql("DROP TRIGGER wait_long ON outbox_events");
    Relay two(stack, "two");
    CHECK(eventually([&] { return stack.rows("status = 'SENT'") == 20'000; }, 60s));
    CHECK(stack.delivered().size() == 20'000);
    CHECK(two.ends());
}

TEST_CASE("RELAY_REPORT=off leaves rows as they were written") {
    const Lanes stack(2, {{"RELAY_REPORT", "off"}});
    stack.create_topic();
    stack.write(1, 100);
    Relay one(stack, "one");
    REQUIRE(stack.all_delivered());
    // Its end would wait for a report.
    CHECK(one.http().get("/metrics").body.find("relay_report_") == std::string::npos);
    CHECK(one.ends());
    CHECK(stack.rows("status = 'NEW' AND processed_at IS NULL") == 100);
}

TEST_CASE("I9: with RELAY_RETENTION=0 rows go as soon as they are delivered") {
    const Lanes stack(4, {{"RELAY_RETENTION", "0"}});
    stack.create_topic();
    stack.write(1, 2000);
    Relay one(stack, "one");
    CHECK(eventually([&] { return stack.rows() == 0; }, 60s));
    CHECK(stack.delivered().size() == 2000);
    CHECK(one.shows(R"(relay_report_rows_total{result="removed"} 2000)"));
    CHECK(one.ends());
}

TEST_CASE("a table that cannot be written degrades the relay, and events go on") {
    const Lanes stack(2);
    stack.create_topic();
    (void)stack.sql(
        "CREATE FUNCTION no_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'no disk' USING ERRCODE = 'disk_full'; END $$; "
        "CREATE TRIGGER no_disk BEFORE UPDATE ON outbox_events FOR EACH STATEMENT "
        "EXECUTE FUNCTION no_disk()"
    );
    stack.write(1, 100);
    Relay one(stack, "one");
    REQUIRE(stack.all_delivered());
    CHECK(eventually([&] { return one.shows("relay_report_paused 1"); }));
    CHECK(eventually([&] {
        return one.http().get("/health").body.find("cannot be shown in the table") !=
               std::string::npos;
    }));
    CHECK(one.http().get("/readyz").status == 200);
    CHECK(stack.rows("status = 'NEW'") == 100);
    (void)stack.sql("DROP TRIGGER no_disk ON outbox_events");
    CHECK(eventually([&] { return stack.rows("status = 'SENT'") == 100; }));
    CHECK(eventually([&] { return one.shows("relay_report_paused 0"); }));
    CHECK(one.ends());
}

TEST_CASE("a relay that ends shows what it has delivered") {
    const Lanes stack(2);
    stack.create_topic();
    Relay one(stack, "one");
    REQUIRE(one.owns(2));
    (void)stack.sql(
        "CREATE FUNCTION wait_a_bit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_sleep(0.3); RETURN NEW; END $$; "
        "CREATE TRIGGER wait_a_bit BEFORE UPDATE ON outbox_events FOR EACH STATEMENT "
        "EXECUTE FUNCTION wait_a_bit()"
    );
    for (int i = 0; i < 20; ++i) stack.write(100 * i + 1, 100 * i + 100);
    REQUIRE(eventually([&] {
        return one.shows(R"(relay_lane_events_total{lane="0"} 2000)");
    }));
    CHECK(one.ends());
    CHECK(stack.rows("status = 'SENT'") == 2000);
}
