// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_SQLITE_USER_STORE_HPP
#define RESILIENCE_MODULES_USERS_SQLITE_USER_STORE_HPP

#include <modules/users/user_store.hpp>

#include <utility>

namespace resilience::sqlite {
class Database;
}

namespace resilience::modules::users {

/** Keeps users in SQLite.

    @par Object lifetimes
    The database must outlive the store.
*/
class SqliteUserStore final : public UserStore {
public:
    SqliteUserStore(sqlite::Database& database, Outbox outbox)
        : database_(database), outbox_(std::move(outbox)) {}

    net::awaitable<Result<User>> create(User user, std::string traceparent) override;
    net::awaitable<Result<User>> get(Uuid id) override;
    net::awaitable<Result<User>> update(
        Uuid id, UserFields fields, std::string traceparent
    ) override;

private:
    sqlite::Database& database_;
    Outbox outbox_;
};

}  // namespace resilience::modules::users

#endif
