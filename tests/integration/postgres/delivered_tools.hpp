// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_DELIVERED_TOOLS_HPP
#define RESILIENCE_TESTS_POSTGRES_DELIVERED_TOOLS_HPP

#include "window_tools.hpp"

#include <resilience/postgres/outbox_delivered_rows.hpp>

#include <string>
#include <utility>

namespace postgres_tests {

/// Writes rows of one lane in one transaction.
inline std::string insert_rows(int lane, int count) {
    return "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
           "event_data, topic, partition_key, lane) SELECT gen_random_uuid(), 't', '1', "
           "'e', '{}', 'x', 'k', " +
           std::to_string(lane) + " FROM generate_series(1, " + std::to_string(count) +
           ")";
}

/// A table of its own, who writes to it, and what is known of it.
struct DeliveredWorld {
    explicit DeliveredWorld(net::io_context& context, const Schema& schema)
        : source(context.get_executor(), source_options(schema.options())),
          rows(context.get_executor(), schema.options()),
          writer(context.get_executor(), schema.options()) {}

    pg::OutboxWindowSource source;
    pg::OutboxDeliveredRows rows;
    pg::Connection writer;

    net::awaitable<void> begin() {
        const auto opened = co_await writer.async_connect();
        REQUIRE(ok(opened));
    }

    /// The position after which all that is committed now is delivered.
    net::awaitable<resilience::LanePosition> all_seen() {
        const auto identity = co_await source.identity();
        REQUIRE(ok(identity));
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        resilience::LanePosition position;
        position.source = *identity;
        position.seen = position.window = window->snapshot;
        position.batch_seq = 1;
        co_return position;
    }

    /// Sequence numbers of the rows that have the status, with commas between.
    net::awaitable<std::string> with(std::string status) {
        co_return co_await value(
            writer,
            "SELECT coalesce(string_agg(seq::text, ',' ORDER BY seq), '') FROM "
            "outbox_events WHERE status = $1",
            pg::parameters(status)
        );
    }
};

inline resilience::DeliveredSlice slice_of(int lane, resilience::LanePosition position) {
    return {{{lane, std::move(position)}}};
}

}  // namespace postgres_tests

#endif
