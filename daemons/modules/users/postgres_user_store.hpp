// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_POSTGRES_USER_STORE_HPP
#define RESILIENCE_MODULES_USERS_POSTGRES_USER_STORE_HPP

#include <modules/users/user_store.hpp>

#include <utility>

namespace resilience::postgres {
class Pool;
}

namespace resilience::modules::users {

/** Keeps users in PostgreSQL.

    Only a failure of the commit itself is in doubt.

    @par Object lifetimes
    The pool must outlive the store.
*/
class PostgresUserStore final : public UserStore {
public:
    PostgresUserStore(postgres::Pool& pool, Outbox outbox)
        : pool_(pool), outbox_(std::move(outbox)) {}

    net::awaitable<Result<User>> create(User user, std::string traceparent) override;
    net::awaitable<Result<User>> get(Uuid id) override;
    net::awaitable<Result<User>> update(
        Uuid id, UserFields fields, std::string traceparent
    ) override;

private:
    postgres::Pool& pool_;
    Outbox outbox_;
};

}  // namespace resilience::modules::users

#endif
