// SPDX-License-Identifier: MIT
#include "await.hpp"

#include <host/router.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace resilience::host {
namespace {

// Answers with its own name and the parameters it got.
Handler name(std::string text) {
    return [text](Request& request) -> net::awaitable<Response> {
        std::string body = text;
        for (const auto& [key, value] : request.path_parameters()) {
            body += ' ' + std::string{key} + '=' + value;
        }
        co_return text_response(200, body);
    };
}

struct Fixture {
    Router router;

    Fixture() {
        auto users = router.at({"/v1/users", "/api/users", "/users"});
        users.get("/{id}", {}, name("read"));
        users.put("/{user}", {}, name("write"));
        users.post("", {}, name("create"));
        users.post("/search", {}, name("search"));
        router.root().get("/users/me", {}, name("me"));
        router.root().get("/a/{x}/b/{y}", {}, name("deep"));
        router.root().get("/", {}, name("root"));
    }

    Response ask(Method method, std::string_view target) {
        Request request{method, target};
        request.request_id = "id-1";
        return await(router.dispatch(request));
    }
};

TEST_CASE_FIXTURE(Fixture, "X1: one handler answers below each prefix") {
    CHECK(ask(Method::get, "/v1/users/7").body == "read id=7");
    CHECK(ask(Method::get, "/api/users/7").body == "read id=7");
    CHECK(ask(Method::get, "/users/7").body == "read id=7");
    CHECK(ask(Method::put, "/users/7").body == "write user=7");
    CHECK(ask(Method::get, "/").body == "root");
}

TEST_CASE_FIXTURE(Fixture, "A literal wins over a parameter, for its own methods only") {
    CHECK(ask(Method::get, "/users/me").body == "me");
    CHECK(ask(Method::post, "/users/search").body == "search");
    CHECK(ask(Method::get, "/users/search").body == "read id=search");
    CHECK(ask(Method::get, "/a/1/b/2").body == "deep x=1 y=2");
}

TEST_CASE_FIXTURE(Fixture, "An escaped slash stays inside its segment") {
    CHECK(ask(Method::get, "/users/a%2Fb").body == "read id=a/b");
    CHECK(ask(Method::get, "/%75sers/%C3%A9").body == "read id=\xc3\xa9");
    CHECK(ask(Method::get, "/users/a+b").body == "read id=a+b");
}

TEST_CASE_FIXTURE(Fixture, "An unknown path is a 404 problem") {
    for (std::string_view path : {"/nothing", "/users/", "/users/1/2", "/a/1/b", "//"}) {
        CAPTURE(path);
        const Response response = ask(Method::get, path);
        CHECK(response.status == 404);
        CHECK(response.content_type == "application/problem+json");
        CHECK(
            response.body.find("urn:resilience:problem:not-found") != std::string::npos
        );
        CHECK(response.body.find("\"instance\":\"id-1\"") != std::string::npos);
    }
}

TEST_CASE_FIXTURE(Fixture, "A wrong method is a 405 with Allow") {
    const Response response = ask(Method::del, "/users/7");
    CHECK(response.status == 405);
    CHECK(response.header("allow") == "GET, HEAD, PUT, OPTIONS");
    CHECK(ask(Method::other, "/users").header("Allow") == "POST, OPTIONS");
    CHECK(ask(Method::del, "/users/me").header("Allow") == "GET, HEAD, PUT, OPTIONS");
}

TEST_CASE_FIXTURE(Fixture, "OPTIONS answers with Allow, HEAD as GET without its body") {
    const Response options = ask(Method::options, "/users/7");
    CHECK(options.status == 204);
    CHECK(options.header("Allow") == "GET, HEAD, PUT, OPTIONS");
    const Response head = ask(Method::head, "/users/7");
    CHECK(head.status == 200);
    CHECK(head.body.empty());
    CHECK(ask(Method::head, "/users").status == 405);
}

TEST_CASE_FIXTURE(
    Fixture, "An exception of a handler is a 500 that tells clients nothing"
) {
    router.root().get("/throws", {}, [](Request&) -> net::awaitable<Response> {
        throw std::runtime_error("the secret");
        co_return Response{};
    });
    router.root().get("/fails", {}, [](Request&) -> net::awaitable<Response> {
        Result<int> result = fail(Errc::unavailable, "db-1 refused");
        co_return text_response(200, std::to_string(result.value()));
    });
    router.root().get("/odd", {}, [](Request&) -> net::awaitable<Response> {
        throw 7;
        co_return Response{};
    });
    const Response response = ask(Method::get, "/throws");
    CHECK(response.status == 500);
    CHECK(response.body.find("secret") == std::string::npos);
    CHECK(response.problem->cause == "the secret");
    CHECK(ask(Method::get, "/fails").status == 503);
    CHECK(ask(Method::get, "/odd").status == 500);
}

TEST_CASE("A pattern that is malformed or taken is refused") {
    Router router;
    auto root = router.root();
    root.get("/x/{id}", {}, name("a"));
    CHECK_THROWS_AS(root.get("/x/{name}", {}, name("b")), std::invalid_argument);
    CHECK_THROWS_AS(root.get("x", {}, name("b")), std::invalid_argument);
    CHECK_THROWS_AS(root.get("/x{id}", {}, name("b")), std::invalid_argument);
    CHECK_THROWS_AS(root.get("/y", {}, Handler{}), std::invalid_argument);
    CHECK_THROWS_AS(root.add(Method::other, "/y", {}, name("b")), std::invalid_argument);
    CHECK(router.routes().size() == 1);
}

TEST_CASE("A target is decoded, and a broken one is refused with a sentence") {
    Request request{Method::get, "/p?a=1&b=x%20y+z&a=2&flag&=v&&c="};
    CHECK(request.raw_path() == "/p");
    CHECK(request.query_count("a") == 2);
    CHECK(request.query("a") == "1");
    CHECK(request.query("b") == "x y z");
    CHECK(request.query("flag") == "");
    CHECK(request.query("c") == "");
    CHECK(request.query("d") == std::nullopt);
    for (std::string_view target :
         {"",
          "p",
          "*",
          "/%",
          "/%2",
          "/%zz",
          "/?a=%",
          "/?a=%4",
          "/?%g1=1",
          "/%00",
          "/?a=%00",
          "/?a=%0a",
          "/%ff",
          "/?a=%c0%af",
          "/?a=%ed%a0%80",
          "/\xff"}) {
        CAPTURE(target);
        CHECK_FALSE(request.set_target(target).empty());
    }
    CHECK_THROWS_AS((Request{Method::get, "/%"}), std::invalid_argument);
}

TEST_CASE("Header fields are found in any case") {
    Request request{Method::get, "/"};
    request.add_header("X-Thing", "one");
    request.add_header("x-thing", "two");
    CHECK(request.header("X-THING") == "one");
    CHECK(request.header_count("x-Thing") == 2);
    CHECK(request.header("X-Thin") == std::nullopt);
    request.reset();
    CHECK(request.header_count("x-thing") == 0);
}

}  // namespace
}  // namespace resilience::host
