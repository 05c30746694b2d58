// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_POOL_FIXTURE_HPP
#define RESILIENCE_TESTS_POSTGRES_POOL_FIXTURE_HPP

#include "server.hpp"

#include <resilience/postgres/pool.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace postgres_tests {

inline pg::PoolOptions pool_options(std::size_t max_size) {
    pg::PoolOptions options;
    options.connection = server();
    options.max_size = max_size;
    options.acquire_timeout = 10s;
    return options;
}

inline net::awaitable<pg::PooledConnection> borrowed(pg::Pool& pool) {
    auto connection = co_await pool.async_acquire();
    if (!connection) FAIL(connection.error().message());
    co_return std::move(*connection);
}

inline const std::string pid_sql = "SELECT pg_backend_pid()";

}  // namespace postgres_tests

#endif
