// SPDX-License-Identifier: MIT
#include <modules/users/sqlite_user_store.hpp>

#include <resilience/sqlite/transaction.hpp>

#include <utility>

namespace resilience::modules::users {
namespace {

using sqlite::Transaction;

constexpr const char* select_sql =
    "SELECT id, email, name, created_at, updated_at FROM users WHERE id = ?1";

constexpr const char* insert_sql =
    "INSERT INTO users (id, email, name, created_at, updated_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5)";

// The wall clock may have been set back meanwhile; texts of times sort as times do.
constexpr const char* update_sql =
    "UPDATE users SET email = ?2, name = ?3, updated_at = max(updated_at, ?4) "
    "WHERE id = ?1 RETURNING id, email, name, created_at, updated_at";

Result<User> user_of(const Result<sqlite::Rows>& rows) {
    if (!rows) return rows.error();
    if (rows->empty()) return fail(Errc::not_found, "no such user");
    const auto row = (*rows)[0];
    const auto text = [&row](std::size_t column) {
        return std::string{row.text(column)};
    };
    return User{text(0), text(1), text(2), text(3), text(4)};
}

net::awaitable<Result<User>> append(
    Transaction& transaction, const Outbox& outbox, User user, Event event
) {
    const auto appended = co_await outbox.append(transaction, std::move(event));
    if (!appended) co_return appended.error();
    co_return user;
}

net::awaitable<Result<User>> insert(
    Transaction& transaction, const Outbox& outbox, User user, std::string traceparent
) {
    auto values = sqlite::parameters(
        user.id, user.email, user.name, user.created_at, user.updated_at
    );
    const auto inserted =
        co_await transaction.async_execute(insert_sql, std::move(values));
    if (!inserted) co_return inserted.error();
    auto event = make_event(user, "user.created", traceparent);
    co_return co_await append(transaction, outbox, std::move(user), std::move(event));
}

net::awaitable<Result<User>> replace(
    Transaction& transaction,
    const Outbox& outbox,
    Uuid id,
    UserFields fields,
    std::string traceparent
) {
    auto values =
        sqlite::parameters(id.to_string(), fields.email, fields.name, now_text());
    auto user =
        user_of(co_await transaction.async_execute(update_sql, std::move(values)));
    if (!user) co_return user;
    auto event = make_event(*user, "user.updated", traceparent);
    co_return co_await append(transaction, outbox, std::move(*user), std::move(event));
}

}  // namespace

net::awaitable<Result<User>> SqliteUserStore::create(User user, std::string traceparent) {
    co_return co_await sqlite::with_transaction(database_, [&](Transaction& transaction) {
        return insert(transaction, outbox_, user, traceparent);
    });
}

net::awaitable<Result<User>> SqliteUserStore::get(Uuid id) {
    co_return user_of(
        co_await database_.async_execute(select_sql, sqlite::parameters(id.to_string()))
    );
}

net::awaitable<Result<User>> SqliteUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    co_return co_await sqlite::with_transaction(database_, [&](Transaction& transaction) {
        return replace(transaction, outbox_, id, fields, traceparent);
    });
}

}  // namespace resilience::modules::users
