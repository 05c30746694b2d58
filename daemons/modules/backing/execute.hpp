// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_EXECUTE_HPP
#define RESILIENCE_MODULES_BACKING_EXECUTE_HPP

#include <resilience/postgres/transaction.hpp>
#include <resilience/sqlite/transaction.hpp>

#include <string>
#include <utility>

namespace resilience::modules::backing {

/// Runs a statement on whatever speaks to PostgreSQL; the same words work with SQLite, so
/// that one template serves both.
template <class Executor, class... Values>
requires requires(Executor& e) { e.async_execute(std::string{}, postgres::parameters()); }
auto execute(Executor& executor, std::string sql, Values&&... values) {
    return executor.async_execute(
        std::move(sql), postgres::parameters(std::forward<Values>(values)...)
    );
}

/// As above, with SQLite.
template <class Executor, class... Values>
requires requires(Executor& e) { e.async_execute(std::string{}, sqlite::parameters()); }
auto execute(Executor& executor, std::string sql, Values&&... values) {
    return executor.async_execute(
        std::move(sql), sqlite::parameters(std::forward<Values>(values)...)
    );
}

}  // namespace resilience::modules::backing

#endif
