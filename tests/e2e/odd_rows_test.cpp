// SPDX-License-Identifier: MIT
// Rows that no program of this project wrote: the relay lives, and others go on.
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

using namespace resilience::e2e;

namespace {

// Inserts a row by hand, with further columns as given.
void insert(
    const Stack& stack,
    const std::string& key,
    const std::string& topic,
    const std::string& columns,
    const std::string& values
) {
    const auto id = "00000000-0000-4000-8000-00000000000" + key;
    (void)stack.sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, "
        "created_at, topic, " +
        columns + ") VALUES ('" + id + "', 'a', '" + key +
        "', 't', '{}', '2026-01-31T00:00:00Z', '" + topic + "', " + values + ")"
    );
}

}  // namespace

TEST_CASE("O5, O15: rows with odd times, counts and states hold up nobody") {
    Stack stack(
        Stack::Kind::real, {{"KAFKA_DELIVERY_TIMEOUT", "1s"}, {"RELAY_STALE_AFTER", "2s"}}
    );
    insert(stack, "1", stack.topic(), "partition_key", "NULL");
    (void)stack.sql("UPDATE outbox_events SET created_at = 'infinity'");
    insert(stack, "2", "bad topic", "retry_count", "2147483647");
    insert(stack, "3", stack.topic(), "status", "'PROCESSING'");
    insert(stack, "4", stack.topic(), "headers", "'[1, {\"a\": null}]'");
    insert(stack, "5", stack.topic(), "partition_key", "'k'");
    stack.start_relay();
    CHECK(eventually([&] { return stack.delivered().size() == 4; }));
    CHECK(
        stack.sql("SELECT id FROM outbox_events WHERE status = 'FAILED'") ==
        std::vector<std::string>{"00000000-0000-4000-8000-000000000002"}
    );
}
