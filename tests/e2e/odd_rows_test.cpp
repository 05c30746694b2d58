// SPDX-License-Identifier: MIT
// Rows that no program of this project wrote: the relay lives, and others go on.
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace resilience::e2e;

namespace {

const std::string none = "00000000-0000-4000-8000-00000000000";

// A row whose columns are texts, numbers or NULL as SQL writes them. All are of one key
// but for those that say otherwise.
void insert(
    const Stack& stack, const std::string& number, std::map<std::string, std::string> more
) {
    std::map<std::string, std::string> columns = {
        {"id", "'" + none + number + "'"},
        {"aggregate_type", "'a'"},
        {"aggregate_id", "'" + number + "'"},
        {"event_type", "'t'"},
        {"event_data", "'{}'"},
        {"created_at", "'2026-01-31T00:00:00Z'"},
        {"partition_key", "'k'"},
        {"topic", "'" + (stack.topic().empty() ? "events" : stack.topic()) + "'"}};
    for (auto& [name, value] : more) columns[name] = value;
    std::string names;
    std::string values;
    for (const auto& [name, value] : columns) {
        names += (names.empty() ? "" : ", ") + name;
        values += (values.empty() ? "" : ", ") + value;
    }
    (void)stack.sql("INSERT INTO outbox_events (" + names + ") VALUES (" + values + ")");
}

// The last digits of the rows that are FAILED, with their errors.
std::map<std::string, std::string> failed(const Stack& stack) {
    std::map<std::string, std::string> rows;
    for (const auto& line :
         stack.sql("SELECT id, error_message FROM outbox_events WHERE status = 'FAILED'"
         )) {
        rows[line.substr(none.size(), 1)] = line.substr(line.find('|') + 1);
    }
    return rows;
}

std::string delivered(const Stack& stack) {
    std::string numbers;
    for (const auto& message : stack.delivered())
        numbers += message.id.substr(none.size());
    return numbers;
}

}  // namespace

TEST_CASE("O5, O15: rows with odd counts and states hold up nobody") {
    Stack stack(
        Stack::Kind::real,
        {{"RELAY_MODE", "claim"},
         {"KAFKA_DELIVERY_TIMEOUT", "1s"},
         {"RELAY_STALE_AFTER", "2s"}}
    );
    insert(stack, "1", {{"partition_key", "NULL"}});
    insert(
        stack,
        "2",
        {{"partition_key", "'bad'"},
         {"topic", "'bad topic'"},
         {"retry_count", "2147483647"}}
    );
    insert(stack, "3", {{"partition_key", "'held'"}, {"status", "'PROCESSING'"}});
    insert(stack, "4", {{"headers", "'[1, {\"a\": null}]'"}});
    insert(stack, "5", {});
    stack.start_relay();
    CHECK(eventually([&] { return stack.delivered().size() == 4; }));
    const auto given_up = failed(stack);
    REQUIRE(given_up.size() == 1);
    CHECK(given_up.contains("2"));
}

TEST_CASE(
    "O5: rows without what every event has are FAILED and say so, and hold up nobody"
) {
    for (const auto kind : {Stack::Kind::embedded, Stack::Kind::real}) {
        Stack stack(kind, {{"RELAY_MODE", "claim"}});
        (void)stack.run(std::string(MIGRATE) + " up");
        insert(stack, "1", {{"event_type", "''"}});
        insert(stack, "2", {});
        insert(stack, "3", {{"aggregate_type", "''"}});
        insert(stack, "4", {{"aggregate_id", "''"}});
        insert(stack, "5", {});
        stack.start_relay();
        CHECK(eventually([&] { return failed(stack).size() == 3; }));
        CHECK(eventually([&] { return stack.delivered().size() == 2; }));
        CHECK(delivered(stack) == "25");
        auto given_up = failed(stack);
        CHECK(given_up["1"].ends_with("event_type: is empty"));
        CHECK(given_up["3"].ends_with("aggregate_type: is empty"));
        CHECK(given_up["4"].ends_with("aggregate_id: is empty"));
    }
}

TEST_CASE("O5: rows with times out of reach are FAILED and say so, and hold up nobody") {
    for (const auto kind : {Stack::Kind::embedded, Stack::Kind::real}) {
        const bool real = kind == Stack::Kind::real;
        Stack stack(kind, {{"RELAY_MODE", "claim"}});
        (void)stack.run(std::string(MIGRATE) + " up");
        insert(stack, "1", {{"created_at", real ? "'infinity'" : "'yesterday'"}});
        insert(stack, "2", {{"created_at", "'0001-01-01T00:00:00Z'"}});
        insert(stack, "3", {{"created_at", "'9999-12-31T23:59:59Z'"}});
        insert(stack, "4", {{"created_at", "'2026-01-31 00:00:00'"}});
        insert(stack, "5", {});
        stack.start_relay();
        CHECK(eventually([&] { return failed(stack).size() == 3; }));
        CHECK(eventually([&] { return stack.delivered().size() == 2; }));
        CHECK(delivered(stack) == "45");
        for (const auto& row : failed(stack)) {
            CHECK(row.second.find("created_at: is not a time") != std::string::npos);
        }
    }
}
