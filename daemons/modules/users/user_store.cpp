// SPDX-License-Identifier: MIT
#include <modules/users/user_store.hpp>

#include <modules/backing/database.hpp>
#include <modules/users/postgres_user_store.hpp>
#include <modules/users/retrying_user_store.hpp>
#include <modules/users/sqlite_user_store.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <utility>

namespace resilience::modules::users {

std::unique_ptr<UserStore> make_user_store(
    backing::Database& database, Outbox outbox, prometheus::Metrics& metrics
) {
    std::unique_ptr<UserStore> store;
    if (auto* pool = database.postgres()) {
        store = std::make_unique<PostgresUserStore>(*pool, std::move(outbox));
    } else {
        store = std::make_unique<SqliteUserStore>(*database.sqlite(), std::move(outbox));
    }
    return std::make_unique<RetryingUserStore>(
        std::move(store), metrics.observer("users")
    );
}

}  // namespace resilience::modules::users
