// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_ROUTES_HPP
#define RESILIENCE_MODULES_USERS_ROUTES_HPP

#include <host/response.hpp>
#include <modules/users/user_store.hpp>

#include <memory>
#include <string_view>

namespace resilience::host {
class App;
class Router;
}  // namespace resilience::host

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::modules::users {

/** Adds the routes of users (M6 to M8, O2) below `/v1/users`, `/api/users` and `/users`
    (X1).

    Counts `users_requests_total` by operation and result.

    @par Object lifetimes
    The store must outlive the router's use.
*/
void add_routes(host::Router& router, prometheus::Metrics& metrics, UserStore& store);

/** Makes users part of a program: the routes, the health part `users` (M10), without
    which the program is not ready, and the schema of an embedded database at the start.

    @par Object lifetimes
    Database and store must outlive the program's run.
*/
void mount(host::App& app, backing::Database& database, UserStore& store);

/** As above, with the store for the database.

    @param outbox Where the events of users go.
    @return The store, which must outlive the program's run.
*/
std::unique_ptr<UserStore> mount(
    host::App& app, backing::Database& database, Outbox outbox
);

/** Answers the creation of a user.

    @param prefix What stands before the user's id in `Location`, such as `/v1/users/`.
*/
host::Response creation_answer(const Result<User>& created, std::string_view prefix);

/// Says how a failure of a @ref UserStore is answered.
host::Problem problem_of(const Failure& failure);

}  // namespace resilience::modules::users

#endif
