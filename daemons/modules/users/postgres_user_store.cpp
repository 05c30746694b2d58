// SPDX-License-Identifier: MIT
#include <modules/users/postgres_user_store.hpp>
#include <modules/users/user_writes.hpp>

#include <resilience/postgres/pool.hpp>

namespace resilience::modules::users {
namespace {

using postgres::Transaction;

constexpr const char* insert_sql =
    "INSERT INTO users (id, email, name, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, $5)";

// Both times in the form that `User` has.
constexpr const char* select_sql = R"(
SELECT id, email, name,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM users WHERE id = $1)";

// The wall clock may have been set back meanwhile.
constexpr const char* update_sql = R"(
UPDATE users SET email = $2, name = $3, updated_at = greatest(updated_at, $4::timestamptz)
WHERE id = $1
RETURNING id, email, name,
          to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
          to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))";

constexpr postgres::TransactionOptions options{.begin_with_first_statement = true};

}  // namespace

net::awaitable<Result<User>> PostgresUserStore::create(
    User user, std::string traceparent
) {
    const auto work = [&](Transaction& transaction) {
        return insert_user(transaction, outbox_, insert_sql, user, traceparent);
    };
    co_return co_await postgres::with_transaction(pool_, work, options);
}

net::awaitable<Result<User>> PostgresUserStore::get(Uuid id) {
    auto connection = co_await pool_.async_acquire();
    if (!connection) co_return connection.error();
    co_return user_of(co_await backing::execute(**connection, select_sql, id.to_string())
    );
}

net::awaitable<Result<User>> PostgresUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    const auto work = [&](Transaction& transaction) {
        return replace_user(transaction, outbox_, update_sql, id, fields, traceparent);
    };
    co_return co_await postgres::with_transaction(pool_, work, options);
}

}  // namespace resilience::modules::users
