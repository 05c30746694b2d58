// SPDX-License-Identifier: MIT
// The program outbox, where rows carry transaction numbers of another server.
#include <e2e/lanes.hpp>
#include <e2e/outbox_command.hpp>

#include <csignal>
#include <string>

using namespace resilience::e2e;

namespace {

// A session that locks a row until it is told to end.
Process hold_row(const Stack& stack, int number) {
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
         "BEGIN; SELECT FROM outbox_events WHERE aggregate_id = '" +
             std::to_string(number) + "' FOR UPDATE; SELECT pg_sleep(600)"},
        {{"PGPASSWORD", e.at("DB_PASSWORD")}},
        stack.folder() / "holder.log"
    );
    return process;
}

const std::string of_others =
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    "pg_backend_pid() AND ";

}  // namespace

TEST_CASE("I4: outbox rebase that was killed while it renumbers is run again") {
    const Lanes stack(2);
    stack.create_topic();
    stack.write(1, 20);
    {
        Relay relay(stack, "one");
        REQUIRE(stack.all_delivered());
        REQUIRE(relay.ends());
    }
    stack.write(21, 24);
    // The dump of a server that has come further with its transactions.
    (void)stack.sql(
        "UPDATE outbox_events SET xid = (9000000000000 + seq)::text::xid8 WHERE seq % 3 "
        "<> 0"
    );
    const auto foreign = [&] {
        return stack.rows("NOT pg_visible_in_snapshot(xid, pg_current_snapshot())");
    };
    REQUIRE(foreign() == 16);
    const auto asked = outbox(stack, {"rebase", "--rows-at-once", "5"});
    CHECK(asked.code == 1);
    CHECK_MESSAGE(asked.says("16 rows are not compared"), asked.text);
    {
        const auto holder = hold_row(stack, 13);
        REQUIRE(eventually([&] {
            return !stack.sql("SELECT pid" + of_others + "query LIKE '%pg_sleep%'")
                        .empty();
        }));
        Process rebase(
            {OUTBOX, "rebase", "--yes", "--rows-at-once", "5"},
            stack.environment(),
            stack.folder() / "rebase.log"
        );
        // The slices of ten rows are done, that of the row waits.
        CHECK(eventually([&] {
            return !stack.sql("SELECT pid" + of_others + "wait_event_type = 'Lock'")
                        .empty();
        }));
        CHECK(foreign() == 9);
        rebase.kill();
    }
    (void
    )stack.sql("SELECT pg_terminate_backend(pid)" + of_others + "application_name <> ''");
    REQUIRE(eventually([&] {
        return stack.sql("SELECT pid" + of_others + "application_name <> ''").empty();
    }));
    const auto done = outbox(stack, {"rebase", "--yes", "--rows-at-once", "5"});
    CHECK_MESSAGE(done.code == 0, done.text);
    CHECK_MESSAGE(done.says("24 rows compared with 20 records: 4 missing"), done.text);
    CHECK_MESSAGE(done.says("9 rows had transaction numbers of another"), done.text);
    CHECK(foreign() == 0);
    stack.write(25, 25);
    Relay relay(stack, "two");
    CHECK(eventually([&] { return stack.delivered().size() == 25; }));
    CHECK(outbox(stack, {"verify", "--rows-at-once", "3"}).code == 0);
    CHECK(relay.ends());
}
