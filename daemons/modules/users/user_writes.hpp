// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_USER_WRITES_HPP
#define RESILIENCE_MODULES_USERS_USER_WRITES_HPP

#include <modules/backing/execute.hpp>
#include <modules/users/user_store.hpp>

#include <string>
#include <utility>

// What the stores of both databases do inside a transaction; they differ in their SQL.
namespace resilience::modules::users {

/// What is lost before the commit is sent is rolled back, by the server at the latest: it
/// is not in doubt.
inline Failure before_commit(Failure failure) {
    if (failure == Errc::connection_lost) failure.code = Errc::unavailable;
    if (failure == Errc::timed_out_in_doubt) failure.code = Errc::timed_out;
    if (failure == Errc::cancelled_in_doubt) failure.code = Errc::cancelled;
    return failure;
}

/// Reads id, email, name, created_at, updated_at of the first row.
template <class Rows>
Result<User> user_of(const Result<Rows>& rows) {
    if (!rows) return before_commit(rows.error());
    if (rows->empty()) return fail(Errc::not_found, "no such user");
    const auto row = (*rows)[0];
    const auto text = [&row](std::size_t column) {
        return std::string{row.text(column)};
    };
    return User{text(0), text(1), text(2), text(3), text(4)};
}

template <class Transaction>
net::awaitable<Result<User>> append_event(
    Transaction& transaction, const Outbox& outbox, User user, Event event
) {
    const auto appended = co_await outbox.append(transaction, std::move(event));
    if (!appended) co_return before_commit(appended.error());
    co_return user;
}

/// @param sql Takes the five columns.
template <class Transaction>
net::awaitable<Result<User>> insert_user(
    Transaction& transaction,
    const Outbox& outbox,
    const char* sql,
    User user,
    std::string traceparent
) {
    const auto inserted = co_await backing::execute(
        transaction, sql, user.id, user.email, user.name, user.created_at, user.updated_at
    );
    if (!inserted) co_return before_commit(inserted.error());
    auto event = make_event(user, "user.created", traceparent);
    co_return co_await append_event(
        transaction, outbox, std::move(user), std::move(event)
    );
}

/// @param sql Takes id, email, name and the time; returns the five columns.
template <class Transaction>
net::awaitable<Result<User>> replace_user(
    Transaction& transaction,
    const Outbox& outbox,
    const char* sql,
    Uuid id,
    UserFields fields,
    std::string traceparent
) {
    const auto replaced = co_await backing::execute(
        transaction, sql, id.to_string(), fields.email, fields.name, now_text()
    );
    auto user = user_of(replaced);
    if (!user) co_return user;
    auto event = make_event(*user, "user.updated", traceparent);
    co_return co_await append_event(
        transaction, outbox, std::move(*user), std::move(event)
    );
}

}  // namespace resilience::modules::users

#endif
