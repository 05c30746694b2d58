// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_CRASH_ROUTES_HPP
#define RESILIENCE_MODULES_CRASH_ROUTES_HPP

#include <modules/users/user_store.hpp>

#include <functional>

namespace resilience::host {
class Config;
class Router;
}  // namespace resilience::host

namespace resilience::modules::crash {

/// Whether routes exist that only tests may have (X18).
struct TestEndpoints {
    bool enabled = false;
};

/// Declares `ENABLE_TEST_ENDPOINTS`.
void declare(host::Config& config, TestEndpoints& settings);

/// Ends the process at once, as a kill would: nothing is flushed, nobody is told.
[[noreturn]] void end_process();

/** Adds `/test/crash` and `/api/test/crash` (M9, O2), unless the settings say no.

    They create a user as the routes of users do. When the body says `crash_after_db`, the
    process ends after the commit and before the answer.

    @param end What ends the process; tests bring their own.

    @par Object lifetimes
    The store must outlive the router's use.
*/
void add_routes(
    host::Router& router,
    const TestEndpoints& settings,
    users::UserStore& store,
    std::function<void()> end = end_process
);

}  // namespace resilience::modules::crash

#endif
