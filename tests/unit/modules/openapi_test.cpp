// SPDX-License-Identifier: MIT
#include "route_fixture.hpp"
#include "scripted_users.hpp"

#include <host/standard_routes.hpp>
#include <modules/bucket/memory_bucket_store.hpp>
#include <modules/bucket/routes.hpp>
#include <modules/crash/routes.hpp>
#include <modules/users/routes.hpp>

using namespace resilience::modules;

TEST_CASE("X1, M2-M9: the OpenAPI document lists every route at every prefix") {
    fixture::Routes routes;
    fixture::ScriptedUsers users;
    bucket::MemoryBucketStore buckets{bucket::BucketLimit{}};
    users::add_routes(routes.router, routes.metrics, users);
    bucket::add_routes(routes.router, routes.metrics, buckets, {});
    crash::add_routes(routes.router, {true}, users);
    const auto document =
        fixture::json::parse(resilience::host::openapi_document(routes.router, "t", "1"));
    const auto& paths = document.at("paths").as_object();
    const auto has = [&paths](std::string path, std::string_view method) {
        CAPTURE(path);
        CHECK(paths.contains(path));
        if (paths.contains(path)) CHECK(paths.at(path).as_object().contains(method));
    };
    for (const std::string prefix : {"/v1/users", "/api/users", "/users"}) {
        has(prefix, "post");
        has(prefix + "/{id}", "get");
        has(prefix + "/{id}", "put");
    }
    for (const std::string prefix : {"/v1/bucket", "/api/bucket"}) {
        has(prefix + "/check", "get");
        for (const std::string name : {"/consume", "/reset", "/bulk-consume"}) {
            has(prefix + name, "post");
        }
    }
    has("/test/crash", "post");
    has("/api/test/crash", "post");
    // Each route that reads a body refuses one that is not JSON in UTF-8.
    std::size_t with_body = 0;
    for (const auto& path : paths) {
        for (const auto& [method, operation] : path.value().as_object()) {
            const bool reads = operation.as_object().contains("requestBody");
            CAPTURE(std::string{path.key()});
            CHECK(operation.at("responses").as_object().contains("415") == reads);
            with_body += reads ? 1 : 0;
        }
    }
    CHECK(with_body >= 10);
}
