// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_USER_STORE_HPP
#define RESILIENCE_MODULES_USERS_USER_STORE_HPP

#include <modules/users/user.hpp>

#include <resilience/asio/result.hpp>
#include <resilience/outbox.hpp>
#include <resilience/uuid.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace resilience::modules::backing {
class Database;
}

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::modules::users {

/** The users and the events that tell of them (M12).

    Each change is one transaction: the row and its event are both there or neither is.

    @par Errors
    @li Errc::already_exists Another user has this e-mail address. Nothing was written.
    @li Errc::not_found There is no such user. Nothing was written.
    @li Errc::serialization_conflict The transaction lost against another; the same call
        may succeed. Nothing was written.
    @li Those of the database; in doubt when the answer to the commit did not come.

    @par Thread safety
    Safe.
*/
class UserStore {
public:
    virtual ~UserStore() = default;

    /** Adds a user and the event `user.created`.

        @param traceparent Goes with the event; may be empty.
    */
    virtual net::awaitable<Result<User>> create(User user, std::string traceparent) = 0;

    virtual net::awaitable<Result<User>> get(Uuid id) = 0;

    /// Replaces e-mail address and name, and adds the event `user.updated`.
    virtual net::awaitable<Result<User>> update(
        Uuid id, UserFields fields, std::string traceparent
    ) = 0;
};

/** Makes the store for the database that a program uses.

    Conflicts between transactions are tried again, three attempts in all; that is counted
    in `metrics` under the name `users`.

    @par Object lifetimes
    The database must outlive the store.
*/
std::unique_ptr<UserStore> make_user_store(
    backing::Database& database, Outbox outbox, prometheus::Metrics& metrics
);

}  // namespace resilience::modules::users

#endif
