// SPDX-License-Identifier: MIT
#include <modules/users/routes.hpp>

#include <host/app.hpp>
#include <host/json_body.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/health.hpp>

#include <memory>
#include <string>
#include <utility>

namespace resilience::modules::users {
namespace {

using host::Request;
using host::Response;

constexpr const char* fields_schema = R"({
"type":"object","required":["email","name"],
"properties":{
"email":{"type":"string","minLength":3,"maxLength":255,"description":"At most 255 bytes"},
"name":{"type":"string","minLength":1,"maxLength":255,"description":"At most 255 bytes"}}})";

constexpr const char* user_schema = R"({
"type":"object","required":["id","email","name","created_at","updated_at"],
"properties":{
"id":{"type":"string","format":"uuid"},
"email":{"type":"string"},
"name":{"type":"string"},
"created_at":{"type":"string","format":"date-time"},
"updated_at":{"type":"string","format":"date-time"}}})";

std::string_view result_of(unsigned status) {
    switch (status) {
        case 404:
            return "not_found";
        case 409:
            return "conflict";
        default:
            break;
    }
    if (status < 300) return "ok";
    return status < 500 ? "invalid" : "unavailable";
}

Response user_answer(unsigned status, const Result<User>& result) {
    if (!result) return problem_of(result.error());
    return host::json_text(status, to_json(*result));
}

// The handlers; they share the store and the counter.
class Handlers {
public:
    Handlers(prometheus::Metrics& metrics, UserStore& store)
        : store_(store),
          requests_(metrics.counters(
              "users_requests_total",
              "Requests about users by what was asked and how it ended",
              {"operation", "result"}
          )) {}

    net::awaitable<Response> create(Request& request) {
        host::JsonBody body{request};
        UserFields fields = read_fields(body);
        if (body.failed()) co_return counted("create", body.problem());
        const auto created = co_await store_.create(
            make_user(std::move(fields)), std::string{request.trace.traceparent()}
        );
        std::string prefix{request.raw_path()};
        prefix += '/';
        co_return counted("create", creation_answer(created, prefix));
    }

    net::awaitable<Response> get(Request& request) {
        const auto id = Uuid::parse(request.path_parameter("id"));
        if (!id) co_return counted("get", malformed_id());
        co_return counted("get", user_answer(200, co_await store_.get(*id)));
    }

    net::awaitable<Response> update(Request& request) {
        const auto id = Uuid::parse(request.path_parameter("id"));
        if (!id) co_return counted("update", malformed_id());
        host::JsonBody body{request};
        UserFields fields = read_fields(body);
        if (body.failed()) co_return counted("update", body.problem());
        const auto updated = co_await store_.update(
            *id, std::move(fields), std::string{request.trace.traceparent()}
        );
        co_return counted("update", user_answer(200, updated));
    }

private:
    static host::Problem malformed_id() {
        return host::invalid_field("id", "id must be a UUID");
    }

    Response counted(std::string_view operation, Response response) const {
        requests_.with({operation, result_of(response.status)}).add();
        return response;
    }

    UserStore& store_;
    prometheus::CounterFamily requests_;
};

// PostgreSQL may be down when the program starts; an embedded database may not.
net::awaitable<void> open(backing::Database& database) {
    (co_await database.open()).value();
}

}  // namespace

Response creation_answer(const Result<User>& created, std::string_view prefix) {
    Response response = user_answer(201, created);
    if (created) {
        std::string location{prefix};
        response.headers.emplace_back("Location", location += created->id);
    }
    return response;
}

host::Problem problem_of(const Failure& failure) {
    if (failure == Errc::already_exists) {
        return host::conflict("another user has this e-mail address", "email");
    }
    if (failure == Errc::not_found) return host::not_found("no user has this id");
    if (failure == Errc::bad_destination) {
        auto problem = host::problem_of(failure);
        problem.detail = backing::schema_is_missing;
        return problem;
    }
    return host::problem_of(failure);
}

void add_routes(host::Router& router, prometheus::Metrics& metrics, UserStore& store) {
    auto handlers = std::make_shared<Handlers>(metrics, store);
    auto group = router.at({"/v1/users", "/api/users", "/users"});
    group.post(
        "",
        {.summary = "Creates a user and the event user.created",
         .body = fields_schema,
         .replies =
             {{201, "The user; Location names it", user_schema},
              {400, "A field is missing or malformed"},
              {409, "Another user has this e-mail address"},
              {503, "The database cannot be reached, or its answer did not come"}}},
        [handlers](Request& request) { return handlers->create(request); }
    );
    group.get(
        "/{id}",
        {.summary = "Reads a user",
         .replies =
             {{200, "The user", user_schema},
              {400, "The id is not a UUID"},
              {404, "No user has this id"},
              {503, "The database cannot be reached"}}},
        [handlers](Request& request) { return handlers->get(request); }
    );
    group.put(
        "/{id}",
        {.summary = "Replaces a user's fields and creates the event user.updated",
         .body = fields_schema,
         .replies =
             {{200, "The user", user_schema},
              {400, "The id is not a UUID, or a field is missing or malformed"},
              {404, "No user has this id"},
              {409, "Another user has this e-mail address"},
              {503, "The database cannot be reached, or its answer did not come"}}},
        [handlers](Request& request) { return handlers->update(request); }
    );
}

void mount(host::App& app, backing::Database& database, UserStore& store) {
    add_routes(app.router(), app.metrics(), store);
    app.on_start("database", [&database] { return open(database); });
    app.health().add("users", host::Need::required, [&database] {
        return backing::health_of(database);
    });
}

std::unique_ptr<UserStore> mount(
    host::App& app, backing::Database& database, Outbox outbox
) {
    auto store = make_user_store(database, std::move(outbox), app.metrics());
    mount(app, database, *store);
    return store;
}

}  // namespace resilience::modules::users
