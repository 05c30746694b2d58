// SPDX-License-Identifier: MIT
#include "route_fixture.hpp"
#include "scripted_users.hpp"

#include <modules/bucket/memory_bucket_store.hpp>
#include <modules/bucket/routes.hpp>
#include <modules/users/routes.hpp>

#include <string>

using namespace resilience::modules;
using fixture::check_problem;

namespace {

constexpr const char* body = R"({"email":"a@b.c","name":"Ann"})";
constexpr const char* take = "/api/bucket/consume?key=k&tokens=1";

struct World : fixture::Routes {
    fixture::ScriptedUsers users;
    bucket::MemoryBucketStore buckets{bucket::BucketLimit{}};

    void add_users() { users::add_routes(router, metrics, users); }
    void add_buckets() { bucket::add_routes(router, metrics, buckets, {}); }
};

}  // namespace

TEST_CASE("M23: each service is told by its prefix, and both live in one router") {
    World world;
    world.add_users();
    world.add_buckets();
    CHECK(world.post("/api/users", body).status == 201);
    CHECK(world.post(take).status == 200);
    // No name of the one is a name of the other.
    check_problem(world.get("/api/users/check?key=k"), 400, "invalid-field");
    check_problem(world.post("/api/bucket", body), 404, "not-found");
}

TEST_CASE("M23: a service is split off as it is: it serves without the other") {
    World with_users;
    with_users.add_users();
    CHECK(with_users.post("/api/users", body).status == 201);
    check_problem(with_users.post(take), 404, "not-found");

    World with_buckets;
    with_buckets.add_buckets();
    CHECK(with_buckets.post(take).status == 200);
    check_problem(with_buckets.post("/api/users", body), 404, "not-found");
    CHECK(with_buckets.users.calls == 0);
}
