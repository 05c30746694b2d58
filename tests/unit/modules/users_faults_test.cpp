// SPDX-License-Identifier: MIT
#include "route_fixture.hpp"
#include "scripted_users.hpp"

#include <modules/users/retrying_user_store.hpp>
#include <modules/users/routes.hpp>
#include <modules/users/user_writes.hpp>

#include <resilience/prometheus/metrics.hpp>

using namespace resilience;
using namespace resilience::modules;
using fixture::check_problem;
using fixture::header_of;

namespace {

struct Fixture : fixture::Routes {
    fixture::ScriptedUsers store;
    Fixture() { users::add_routes(router, metrics, store); }
};

constexpr const char* body = R"({"email":"a@b.c","name":"Ann"})";
constexpr const char* path = "/users/01890a5d-ac96-774b-bcce-b302099a8057";

// Waits so short that they are none.
constexpr RetryOptions at_once{
    .attempts = 3, .base = std::chrono::nanoseconds{1}, .jitter = Jitter::none};

struct Retrying {
    net::io_context context;
    prometheus::Metrics metrics;
    fixture::ScriptedUsers* scripted;
    users::RetryingUserStore store;

    explicit Retrying(std::deque<Errc> failures)
        : Retrying(std::make_unique<fixture::ScriptedUsers>(), std::move(failures)) {}

    bool counted(std::string_view line) const {
        return metrics.serialize().find(line) != std::string::npos;
    }

    Result<users::User> create() {
        return fixture::run(context, store.create({.id = "1"}, "trace"));
    }

private:
    Retrying(std::unique_ptr<fixture::ScriptedUsers> inner, std::deque<Errc> failures)
        : scripted(inner.get()),
          store(std::move(inner), metrics.observer("users"), at_once) {
        scripted->failures = std::move(failures);
    }
};

}  // namespace

TEST_CASE("M6-M8: a database that is down is 503 with Retry-After and says nothing more"
) {
    for (const auto code :
         {Errc::unavailable,
          Errc::timed_out,
          Errc::queue_full,
          Errc::access_denied,
          Errc::bad_destination,
          Errc::serialization_conflict}) {
        Fixture service;
        service.store.failures = {code, code, code};
        for (const auto& answer :
             {service.post("/users", body), service.get(path), service.put(path, body)}) {
            check_problem(answer, 503, "unavailable");
            CHECK_FALSE(header_of(answer, "Retry-After").empty());
            CHECK(answer.body.find("secret") == std::string::npos);
            CHECK_FALSE(answer.header("Location").has_value());
        }
        CHECK(service.post("/users", body).status == 201);
        CHECK(service.counted(
            R"(users_requests_total{operation="create",result="unavailable"} 1)"
        ));
    }
}

TEST_CASE("M12: a commit in doubt is 503 outcome-unknown") {
    for (const auto code :
         {Errc::connection_lost, Errc::timed_out_in_doubt, Errc::cancelled_in_doubt}) {
        Fixture service;
        service.store.failures = {code, code};
        const auto created = service.post("/users", body);
        check_problem(created, 503, "outcome-unknown");
        CHECK_FALSE(header_of(created, "Retry-After").empty());
        check_problem(service.put(path, body), 503, "outcome-unknown");
    }
}

TEST_CASE("M12: what fails before the commit is not in doubt") {
    CHECK(users::before_commit(fail(Errc::connection_lost)) == Errc::unavailable);
    CHECK(users::before_commit(fail(Errc::timed_out_in_doubt)) == Errc::timed_out);
    CHECK(users::before_commit(fail(Errc::cancelled_in_doubt)) == Errc::cancelled);
    CHECK(users::before_commit(fail(Errc::already_exists)) == Errc::already_exists);
    CHECK(users::before_commit(fail(Errc::timed_out_in_doubt, "why")).detail == "why");
}

TEST_CASE("M12: a lost race between transactions is run again") {
    Retrying retrying{{Errc::serialization_conflict, Errc::serialization_conflict}};
    CHECK(retrying.create().has_value());
    CHECK(retrying.scripted->calls == 3);
    CHECK(retrying.counted(
        R"(resilience_retry_retries_total{name="users",cause="transient"} 2)"
    ));
    CHECK(retrying.counted(
        R"(resilience_retry_stops_total{name="users",reason="succeeded"} 1)"
    ));
}

TEST_CASE("M12: a race that is lost again and again is given up") {
    Retrying retrying{std::deque<Errc>(10, Errc::serialization_conflict)};
    CHECK(retrying.create().error() == Errc::serialization_conflict);
    CHECK(retrying.scripted->calls == 3);
    CHECK(retrying.counted(
        R"(resilience_retry_stops_total{name="users",reason="attempts"} 1)"
    ));
    const auto id = Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057").value();
    CHECK(
        fixture::run(
            retrying.context, retrying.store.update(id, {"a@b.c", "Ann"}, "trace")
        )
            .error() == Errc::serialization_conflict
    );
    CHECK(retrying.scripted->calls == 6);
}

TEST_CASE("M12: nothing but a lost race is run again") {
    for (const auto code :
         {Errc::connection_lost,
          Errc::timed_out_in_doubt,
          Errc::unavailable,
          Errc::already_exists}) {
        Retrying retrying{{code}};
        CHECK(retrying.create().error() == code);
        CHECK(retrying.scripted->calls == 1);
        CHECK(retrying.counted(
            R"(resilience_retry_retries_total{name="users",cause="transient"} 0)"
        ));
    }
}
