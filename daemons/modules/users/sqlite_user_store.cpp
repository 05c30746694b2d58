// SPDX-License-Identifier: MIT
#include <modules/users/sqlite_user_store.hpp>
#include <modules/users/user_writes.hpp>

namespace resilience::modules::users {
namespace {

using sqlite::Transaction;

constexpr const char* insert_sql =
    "INSERT INTO users (id, email, name, created_at, updated_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5)";

constexpr const char* select_sql =
    "SELECT id, email, name, created_at, updated_at FROM users WHERE id = ?1";

// The wall clock may have been set back meanwhile; texts of times sort as times do.
constexpr const char* update_sql =
    "UPDATE users SET email = ?2, name = ?3, updated_at = max(updated_at, ?4) "
    "WHERE id = ?1 RETURNING id, email, name, created_at, updated_at";

}  // namespace

net::awaitable<Result<User>> SqliteUserStore::create(User user, std::string traceparent) {
    const auto work = [&](Transaction& transaction) {
        return insert_user(transaction, outbox_, insert_sql, user, traceparent);
    };
    co_return co_await sqlite::with_transaction(database_, work);
}

net::awaitable<Result<User>> SqliteUserStore::get(Uuid id) {
    co_return user_of(co_await backing::execute(database_, select_sql, id.to_string()));
}

net::awaitable<Result<User>> SqliteUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    const auto work = [&](Transaction& transaction) {
        return replace_user(transaction, outbox_, update_sql, id, fields, traceparent);
    };
    co_return co_await sqlite::with_transaction(database_, work);
}

}  // namespace resilience::modules::users
