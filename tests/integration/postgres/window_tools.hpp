// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_WINDOW_TOOLS_HPP
#define RESILIENCE_TESTS_POSTGRES_WINDOW_TOOLS_HPP

#include "server.hpp"

#include <resilience/postgres/outbox_window_source.hpp>

#include <string>
#include <utility>

namespace postgres_tests {

inline pg::OutboxWindowSourceOptions source_options(pg::ConnectionOptions connection) {
    pg::OutboxWindowSourceOptions options;
    options.connection = std::move(connection);
    return options;
}

inline net::awaitable<void> execute(pg::Connection& connection, std::string sql) {
    const auto done = co_await connection.async_execute(std::move(sql));
    if (!done) FAIL(done.error().message());
}

inline const std::string insert_one =
    "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
    "event_data, "
    "topic, partition_key) VALUES (gen_random_uuid(), 't', '1', 'e', '{}', 'x', 'k')";

}  // namespace postgres_tests

#endif
