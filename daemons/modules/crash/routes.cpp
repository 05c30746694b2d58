// SPDX-License-Identifier: MIT
#include <modules/crash/routes.hpp>

#include <host/config.hpp>
#include <host/json_body.hpp>
#include <host/router.hpp>
#include <modules/users/routes.hpp>

#include <cstdlib>
#include <string>
#include <utility>

namespace resilience::modules::crash {
namespace {

using host::Request;
using host::Response;

// The code that a shell reports for a process that SIGKILL ended.
constexpr int killed = 137;

constexpr const char* body_schema = R"({
"type":"object","required":["email","name"],
"properties":{
"email":{"type":"string","maxLength":255},
"name":{"type":"string","maxLength":255},
"crash_after_db":{"type":"boolean","default":false}}})";

net::awaitable<Response> create_and_end(
    Request& request, users::UserStore& store, const std::function<void()>& end
) {
    host::JsonBody body{request};
    users::UserFields fields = users::read_fields(body);
    const bool crash = body.boolean_or("crash_after_db", false);
    if (body.failed()) co_return body.problem();
    const auto created = co_await store.create(
        users::make_user(std::move(fields)), std::string{request.trace.traceparent()}
    );
    if (crash && created) end();
    co_return users::creation_answer(created, "/v1/users/");
}

}  // namespace

void declare(host::Config& config, TestEndpoints& settings) {
    config.boolean(
        "ENABLE_TEST_ENDPOINTS",
        settings.enabled,
        "Whether POST /test/crash exists, which ends the process"
    );
}

void end_process() { std::_Exit(killed); }

void add_routes(
    host::Router& router,
    const TestEndpoints& settings,
    users::UserStore& store,
    std::function<void()> end
) {
    if (!settings.enabled) return;
    router.at({"/test/crash", "/api/test/crash"})
        .post(
            "",
            {.summary =
                 "Creates a user and, when told so, ends the process after the commit",
             .body = body_schema,
             .replies = {{201, "The user; the process lives"}}},
            [&store, end = std::move(end)](Request& request) {
                return create_and_end(request, store, end);
            }
        );
}

}  // namespace resilience::modules::crash
