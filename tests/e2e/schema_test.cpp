// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience::e2e;

namespace {

using Lines = std::vector<std::string>;

// A database as `migrate up` leaves it.
struct Migrated : Stack {
    explicit Migrated(Kind kind) : Stack(kind) {
        (void)run(std::string(MIGRATE) + " up");
    }
};

// Name, type, length, whether it may be null, default; in the order of the names.
std::string columns_of(const std::string& table) {
    return "SELECT column_name, data_type, character_maximum_length, is_nullable, "
           "column_default FROM information_schema.columns WHERE table_name = '" +
           table + "' ORDER BY column_name";
}

Lines names_in_sqlite(const Stack& stack, const std::string& table) {
    return stack.sql("SELECT name FROM pragma_table_info('" + table + "') ORDER BY name");
}

}  // namespace

TEST_CASE("O4: the table users of PostgreSQL has the documented columns and keys") {
    const Migrated stack(Stack::Kind::real);
    CHECK(
        stack.sql(columns_of("users")) ==
        Lines{
            "created_at|timestamp with time zone||NO|now()",
            "email|character varying|255|NO|",
            "id|uuid||NO|",
            "name|character varying|255|NO|",
            "updated_at|timestamp with time zone||NO|now()"}
    );
    CHECK(
        stack.sql("SELECT pg_get_constraintdef(oid) FROM pg_constraint "
                  "WHERE conrelid = 'users'::regclass ORDER BY 1"
        ) == Lines{"PRIMARY KEY (id)", "UNIQUE (email)"}
    );
}

TEST_CASE("O4: the embedded table users has the same columns and keys") {
    const Migrated stack(Stack::Kind::embedded);
    CHECK(
        names_in_sqlite(stack, "users") ==
        Lines{"created_at", "email", "id", "name", "updated_at"}
    );
    const auto insert = [&](const std::string& id, const std::string& email) {
        (void)stack.sql(
            "INSERT INTO users VALUES (" + id + ", " + email + ", 'N', 'now', 'now')"
        );
    };
    insert("'1'", "'a@b.c'");
    CHECK_THROWS_AS(insert("'1'", "'x@b.c'"), std::runtime_error);
    CHECK_THROWS_AS(insert("'2'", "'a@b.c'"), std::runtime_error);
    CHECK_THROWS_AS(insert("'2'", "NULL"), std::runtime_error);
    CHECK_THROWS_AS(insert("NULL", "'x@b.c'"), std::runtime_error);
    CHECK(stack.sql("SELECT id FROM users") == Lines{"1"});
}

TEST_CASE("O5: the table outbox_events of PostgreSQL has the documented columns") {
    const Migrated stack(Stack::Kind::real);
    Lines documented;
    for (const auto& line : stack.sql(columns_of("outbox_events"))) {
        const auto name = line.substr(0, line.find('|'));
        // Of the relay, next to the documented ones.
        const std::string ours =
            " available_at claimed_at claimed_by headers lane seq xid ";
        if (ours.find(" " + name + " ") == std::string::npos) documented.push_back(line);
    }
    CHECK(
        documented ==
        Lines{
            "aggregate_id|character varying|255|NO|",
            "aggregate_type|character varying|255|NO|",
            "created_at|timestamp with time zone||NO|clock_timestamp()",
            "error_message|text||YES|",
            "event_data|jsonb||NO|",
            "event_type|character varying|255|NO|",
            "id|uuid||NO|",
            "max_retries|integer||NO|3",
            "partition_key|character varying|255|YES|",
            "processed_at|timestamp with time zone||YES|",
            "retry_count|integer||NO|0",
            "status|character varying|50|NO|'NEW'::character varying",
            "topic|character varying|255|NO|"}
    );
}

TEST_CASE("O5, X5: a row begins as NEW and has one of four states, in both databases") {
    for (const auto kind : {Stack::Kind::embedded, Stack::Kind::real}) {
        const Migrated stack(kind);
        (void)stack.sql(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, created_at) VALUES "
            "('01890a5d-ac96-774b-bcce-b302099a8057', 'user', '7', 'user.created', '{}', "
            "'t', '2026-01-31T00:00:00Z')"
        );
        CHECK(
            stack.sql("SELECT status, retry_count, max_retries FROM outbox_events") ==
            Lines{"NEW|0|3"}
        );
        for (const std::string state : {"PROCESSING", "SENT", "FAILED", "NEW"}) {
            (void)stack.sql("UPDATE outbox_events SET status = '" + state + "'");
        }
        CHECK_THROWS_AS(
            (void)stack.sql("UPDATE outbox_events SET status = 'DONE'"),
            std::runtime_error
        );
    }
}
