// SPDX-License-Identifier: MIT
// The program outbox, where it changes how many lanes there are.
#include <e2e/lanes.hpp>
#include <e2e/outbox_command.hpp>

#include <map>
#include <string>

using namespace resilience::e2e;

namespace {

// Events of 40 keys, each in the lane that a writer with so many lanes gives it.
void write_keys(const Lanes& stack, int round, int lanes) {
    (void)stack.sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic, partition_key, lane) SELECT gen_random_uuid(), 't', n::text, "
        "'e', '" +
        std::to_string(round) + "', '" + stack.topic() + "', n::text, n % " +
        std::to_string(lanes) + " FROM generate_series(1, 40) n"
    );
}

Environment with_lanes(int lanes, int version = 0) {
    return {
        {"RELAY_LANES", std::to_string(lanes)},
        {"RELAY_MAP_VERSION", std::to_string(version)}};
}

void deliver(const Lanes& stack, const std::string& name, const Environment& with) {
    Relay relay(stack, name, with);
    REQUIRE(stack.all_delivered());
    CHECK(relay.ends());
}

// Whether each key has all rounds, once and in order.
bool are_in_order(const Lanes& stack, int rounds) {
    std::map<std::string, std::string> found;
    for (const auto& message : stack.delivered()) found[message.key] += message.data;
    std::string expected;
    for (int round = 1; round <= rounds; ++round) expected += std::to_string(round);
    for (const auto& [key, data] : found) {
        CAPTURE(key);
        CHECK(data == expected);
    }
    return found.size() == 40;
}

}  // namespace

TEST_CASE(
    "I1, I4: outbox lanes changes the number of lanes, and loses and doubles nothing"
) {
    const Lanes stack(4);
    stack.create_topic();
    write_keys(stack, 1, 4);
    deliver(stack, "one", with_lanes(4));
    CHECK(outbox(stack, {"lanes", "2"}).code == 1);
    const auto fewer = outbox(stack, {"lanes", "2", "--yes"});
    CHECK_MESSAGE(fewer.code == 0, fewer.text);
    CHECK_MESSAGE(fewer.says("4 lanes are 2 now"), fewer.text);
    CHECK_MESSAGE(fewer.says("20 delivered rows were moved"), fewer.text);
    CHECK_MESSAGE(fewer.says("RELAY_LANES=2 and RELAY_MAP_VERSION=1"), fewer.text);
    CHECK(stack.rows("lane > 1") == 0);

    // Whoever was not told does not run.
    {
        Relay old(stack, "old", with_lanes(4));
        CHECK(eventually([&] {
            return old.http().get("/health").body.find("map_version") !=
                   std::string::npos;
        }));
        CHECK_FALSE(old.http().get("/readyz").status == 200);
    }
    write_keys(stack, 2, 2);
    deliver(stack, "two", with_lanes(2, 1));
    const auto verified = outbox(stack, {"verify"}, with_lanes(2));
    CHECK_MESSAGE(verified.code == 0, verified.text);

    const auto more = outbox(stack, {"lanes", "3", "--yes"}, with_lanes(2));
    CHECK_MESSAGE(more.code == 0, more.text);
    CHECK_MESSAGE(more.says("RELAY_MAP_VERSION=2"), more.text);
    write_keys(stack, 3, 3);
    deliver(stack, "three", with_lanes(3, 2));
    const auto again = outbox(stack, {"verify"}, with_lanes(3));
    CHECK_MESSAGE(again.code == 0, again.text);
    CHECK_MESSAGE(again.says("120 records: 0 missing, 0 duplicates"), again.text);
    CHECK(are_in_order(stack, 3));
}

TEST_CASE("outbox lanes is refused while anything is on its way, and changes nothing") {
    const Lanes stack(2);
    stack.create_topic();
    write_keys(stack, 1, 2);
    {
        Relay relay(stack, "one", with_lanes(2));
        REQUIRE(stack.all_delivered());
        const auto running = outbox(stack, {"lanes", "1", "--yes"});
        CHECK(running.code == 3);
        CHECK_MESSAGE(running.says("1 relays run"), running.text);
        CHECK(relay.ends());
    }
    write_keys(stack, 2, 2);
    for (const auto& arguments :
         std::vector<std::vector<std::string>>{{"lanes", "1"}, {"lanes", "1", "--yes"}}) {
        const auto waits = outbox(stack, arguments);
        CHECK(waits.code == 3);
        CHECK_MESSAGE(waits.says("20 events of lane 0 wait"), waits.text);
    }
    deliver(stack, "two", with_lanes(2));
    {
        // A transaction that may still write to a lane of before.
        Process writer(
            {"/bin/sh",
             "-c",
             "exec psql -X -q -h \"$DB_HOST\" -p \"$DB_PORT\" -U \"$DB_USER\" -d "
             "\"$DB_NAME\" -c \"BEGIN; SELECT pg_current_xact_id(); SELECT "
             "pg_sleep(60)\""},
            [&] {
                auto environment = stack.environment();
                environment["PGPASSWORD"] = environment.at("DB_PASSWORD");
                return environment;
            }(),
            stack.folder() / "writer"
        );
        REQUIRE(eventually([&] {
            return stack
                       .sql(
                           "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS "
                           "NOT NULL AND query LIKE '%pg_sleep%' AND pid <> "
                           "pg_backend_pid()"
                       )
                       .at(0) == "1";
        }));
        const auto open = outbox(stack, {"lanes", "1", "--yes", "--patience", "300ms"});
        CHECK(open.code == 3);
        CHECK_MESSAGE(open.says("transactions are in progress"), open.text);
    }
    (void)stack.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
        "'%pg_sleep%' AND pid <> pg_backend_pid()"
    );
    CHECK(outbox(stack, {"lanes", "2", "--yes"}).code == 2);
    CHECK(outbox(stack, {"lanes", "65", "--yes"}).code == 2);
    CHECK(outbox(stack, {"lanes"}).code == 2);
    // More lanes than the position topic has partitions.
    const auto partitions = outbox(stack, {"lanes", "9", "--yes"});
    CHECK(partitions.code == 3);
    CHECK_MESSAGE(partitions.says("add partitions to it"), partitions.text);
    // Relays go on as they were.
    write_keys(stack, 3, 2);
    deliver(stack, "three", with_lanes(2));
    CHECK(are_in_order(stack, 3));
    CHECK(outbox(stack, {"verify"}).code == 0);
}
