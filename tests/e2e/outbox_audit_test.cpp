// SPDX-License-Identifier: MIT
// The program outbox, where it compares the table with the topics and mends what differs.
#include <e2e/lanes.hpp>
#include <e2e/outbox_command.hpp>

#include <string>

using namespace resilience::e2e;

namespace {

// Rows that the lane counts as delivered, of which Kafka has lost some: a topic that was
// deleted stands for a cluster that was restored.
struct Lost : Lanes {
    Lost() : Lanes(2) {
        create_topic();
        write(1, 20);
        Relay relay(*this, "one");
        REQUIRE(all_delivered());
        REQUIRE(relay.ends());
        lose();
    }

    void lose() const {
        const auto brokers = environment().at("KAFKA_BROKERS");
        const auto kept = shell(
            "kcat -C -q -e -o beginning -c 15 -b '" + brokers + "' -t '" + topic() +
            "' -f '%h\\n'"
        );
        // Those that are kept are sent to the topic that takes its place.
        (void)sql("UPDATE outbox_events SET topic = topic || '_new'");
        std::size_t at = 0;
        create_topic(topic() + "_new");
        while (at < kept.size()) {
            const auto end = kept.find('\n', at);
            send(*this, topic() + "_new", flags(kept.substr(at, end - at)));
            at = end + 1;
        }
    }

    // `a=1,b=2` as options of kcat.
    static std::string flags(const std::string& headers) {
        std::string made;
        std::size_t at = 0;
        while (at < headers.size()) {
            const auto end = std::min(headers.find(',', at), headers.size());
            made += " -H '" + headers.substr(at, end - at) + "'";
            at = end + 1;
        }
        return made;
    }
};

const std::string who_sleeps =
    "FROM pg_stat_activity WHERE datname = current_database() AND "
    "backend_xid IS NOT NULL AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";

// A transaction that has a number, and does not end by itself.
Process in_progress(const Stack& stack) {
    const auto& e = stack.environment();
    Process process(
        {"/usr/bin/env",
         "psql",
         "-X",
         "-h",
         e.at("DB_HOST"),
         "-p",
         e.at("DB_PORT"),
         "-U",
         e.at("DB_USER"),
         "-d",
         e.at("DB_NAME"),
         "-c",
         "BEGIN; SELECT pg_current_xact_id(); SELECT pg_sleep(600)"},
        {{"PGPASSWORD", e.at("DB_PASSWORD")}},
        stack.folder() / "in_progress.log"
    );
    REQUIRE(eventually([&] { return !stack.sql("SELECT pid " + who_sleeps).empty(); }));
    return process;
}

}  // namespace

TEST_CASE("outbox audit finds what is missing, and delivers that again, once") {
    const Lost stack;
    const auto dry = outbox(stack, {"audit", "-dry-run"});
    CHECK(dry.code == 1);
    CHECK_MESSAGE(dry.says("20 rows compared with 15 records: 5 missing, 0"), dry.text);
    CHECK_MESSAGE(dry.says("nothing was written"), dry.text);
    CHECK_MESSAGE(dry.says("missing: event "), dry.text);
    // It wrote nothing, so the same is missing.
    const auto wet = outbox(stack, {"audit", "-json"});
    CHECK(wet.code == 1);
    CHECK_MESSAGE(wet.json().at("missing") == 5, wet.text);
    CHECK(wet.json().at("sent") == 5);
    const auto again = outbox(stack, {"audit"});
    CHECK_MESSAGE(again.code == 0, again.text);
    CHECK_MESSAGE(again.says("20 rows compared with 20 records: 0 missing"), again.text);
    const auto verified = outbox(stack, {"verify", "-json"}).json();
    CHECK(verified.at("redelivered") == 5);
    CHECK(verified.at("duplicates") == 0);
    // The numbers of those that were lost stay free.
    CHECK(verified.at("missing") == 5);
    // The relay goes on behind it.
    Relay relay(stack, "two");
    stack.write(21, 22);
    REQUIRE(eventually([&] { return stack.delivered().size() == 22; }));
}

TEST_CASE("outbox audit tells phantoms, and looks no further back than it is told") {
    Lanes stack(1);
    stack.create_topic();
    stack.write(1, 4);
    {
        Relay relay(stack, "one");
        REQUIRE(stack.all_delivered());
        CHECK(relay.ends());
    }
    (void)stack.sql("DELETE FROM outbox_events WHERE aggregate_id = '2'");
    send(stack, stack.topic(), "-H ce_id=nobodys -H lane=0 -H lane_seq=5");
    const auto ran = outbox(stack, {"audit", "-json"});
    CHECK(ran.code == 1);
    CHECK(ran.json().at("phantoms") == 2);
    CHECK(ran.json().at("missing") == 0);
    CHECK(outbox(stack, {"audit", "--since", "1ms"}).code == 0);
}

TEST_CASE("outbox audit fences nobody while relays run, and says what to do") {
    Lanes stack(2);
    stack.create_topic();
    stack.write(1, 4);
    Relay relay(stack, "one");
    REQUIRE(stack.all_delivered());
    CHECK(outbox(stack, {"audit", "--dry-run"}).code == 0);
    const auto refused = outbox(stack, {"audit"});
    CHECK(refused.code == 3);
    CHECK_MESSAGE(refused.says("1 relays run: end them before"), refused.text);
    stack.write(5, 6);
    CHECK(stack.all_delivered());
    CHECK(relay.owns(2));
    CHECK(relay.shows("relay_lane_fences_total{lane=\"0\"} 0"));
}

TEST_CASE(
    "I11: outbox rebase goes on in a restored database, and loses and doubles nothing"
) {
    Lanes old(2);
    old.create_topic();
    old.write(1, 10);
    const auto name = old.environment().at("DB_NAME");
    {
        Relay relay(old, "one");
        REQUIRE(old.all_delivered());
        CHECK(relay.ends());
    }
    // Written, and not delivered, when the dump was made.
    old.write(11, 13);
    const Lanes restored(2);
    const auto& e = old.environment();
    const auto server = "-h '" + e.at("DB_HOST") + "' -p " + e.at("DB_PORT") + " -U '" +
                        e.at("DB_USER") + "' ";
    (void)restored.sql("TRUNCATE outbox_events, outbox_lanes");
    (void)shell(
        "pg_dump --data-only -t outbox_events -t outbox_lanes " + server + "-d '" + name +
            "' | PGPASSWORD='" + e.at("DB_PASSWORD") +
            "' psql -X -q -v ON_ERROR_STOP=1 " + server + "-d '" +
            restored.environment().at("DB_NAME") + "'",
        {{"PGPASSWORD", e.at("DB_PASSWORD")}}
    );
    // Another server may have come further with its transactions.
    (void)restored.sql(
        "UPDATE outbox_events SET xid = '9223372036854775807' WHERE aggregate_id = '12'"
    );
    // Or have given the number of a delivered row to somebody who is not done.
    const auto busy = in_progress(restored);
    (void)restored.sql(
        "UPDATE outbox_events SET xid = (SELECT backend_xid::text::xid8 " + who_sleeps +
        ") WHERE aggregate_id = '5'"
    );
    const Environment as_before{{"RELAY_OUTBOX", name}, {"KAFKA_TOPIC", old.topic()}};
    const auto refused = outbox(restored, {"audit"}, as_before);
    CHECK(refused.code == 3);
    CHECK_MESSAGE(refused.says("see outbox rebase"), refused.text);
    const auto asked = outbox(restored, {"rebase"}, as_before);
    CHECK(asked.code == 1);
    CHECK_MESSAGE(asked.says("2 missing"), asked.text);
    CHECK_MESSAGE(asked.says("2 rows are not compared"), asked.text);
    CHECK_MESSAGE(asked.says("give --yes"), asked.text);
    CHECK(outbox(restored, {"lag"}, as_before).code == 1);
    const auto done = outbox(restored, {"rebase", "--yes"}, as_before);
    CHECK_MESSAGE(done.code == 0, done.text);
    CHECK_MESSAGE(done.says("3 events were delivered again"), done.text);
    const auto lag = outbox(restored, {"lag"}, as_before);
    CHECK_MESSAGE(lag.says("lane 0: 0 events"), lag.text);
    (void)restored.sql("SELECT pg_terminate_backend(pid) " + who_sleeps);
    Relay relay(restored, "two", as_before);
    (void)restored.sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic) VALUES (gen_random_uuid(), 't', 'new', 'e', '{}', '" +
        old.topic() + "')"
    );
    REQUIRE(eventually([&] { return old.delivered().size() == 14; }));
    CHECK(relay.ends());
    const auto verified = outbox(restored, {"verify"}, as_before);
    CHECK_MESSAGE(verified.code == 0, verified.text);
    CHECK_MESSAGE(verified.says("14 records: 0 missing, 0 duplicates"), verified.text);
}
