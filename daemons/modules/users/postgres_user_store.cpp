// SPDX-License-Identifier: MIT
#include <modules/users/postgres_user_store.hpp>

#include <resilience/postgres/pool.hpp>

#include <utility>

namespace resilience::modules::users {
namespace {

using postgres::Transaction;

// Both times in the form that `User` has.
constexpr const char* select_sql = R"(
SELECT id, email, name,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM users WHERE id = $1)";

constexpr const char* insert_sql =
    "INSERT INTO users (id, email, name, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, $5)";

// The wall clock may have been set back meanwhile.
constexpr const char* update_sql = R"(
UPDATE users SET email = $2, name = $3, updated_at = greatest(updated_at, $4::timestamptz)
WHERE id = $1
RETURNING id, email, name,
          to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
          to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))";

constexpr postgres::TransactionOptions options{.begin_with_first_statement = true};

// What is lost before the commit is sent is rolled back, by the server at the latest.
Failure before_commit(Failure failure) {
    if (failure == Errc::connection_lost) failure.code = Errc::unavailable;
    if (failure == Errc::timed_out_in_doubt) failure.code = Errc::timed_out;
    if (failure == Errc::cancelled_in_doubt) failure.code = Errc::cancelled;
    return failure;
}

Result<User> user_of(const Result<postgres::Rows>& rows) {
    if (!rows) return before_commit(rows.error());
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
    if (!appended) co_return before_commit(appended.error());
    co_return user;
}

net::awaitable<Result<User>> insert(
    Transaction& transaction, const Outbox& outbox, User user, std::string traceparent
) {
    auto values = postgres::parameters(
        user.id, user.email, user.name, user.created_at, user.updated_at
    );
    const auto inserted =
        co_await transaction.async_execute(insert_sql, std::move(values));
    if (!inserted) co_return before_commit(inserted.error());
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
        postgres::parameters(id.to_string(), fields.email, fields.name, now_text());
    auto user =
        user_of(co_await transaction.async_execute(update_sql, std::move(values)));
    if (!user) co_return user;
    auto event = make_event(*user, "user.updated", traceparent);
    co_return co_await append(transaction, outbox, std::move(*user), std::move(event));
}

}  // namespace

net::awaitable<Result<User>> PostgresUserStore::create(
    User user, std::string traceparent
) {
    co_return co_await postgres::with_transaction(
        pool_,
        [&](Transaction& transaction) {
            return insert(transaction, outbox_, user, traceparent);
        },
        options
    );
}

net::awaitable<Result<User>> PostgresUserStore::get(Uuid id) {
    auto connection = co_await pool_.async_acquire();
    if (!connection) co_return connection.error();
    co_return user_of(
        co_await (*connection)
            ->async_execute(select_sql, postgres::parameters(id.to_string()))
    );
}

net::awaitable<Result<User>> PostgresUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    co_return co_await postgres::with_transaction(
        pool_,
        [&](Transaction& transaction) {
            return replace(transaction, outbox_, id, fields, traceparent);
        },
        options
    );
}

}  // namespace resilience::modules::users
