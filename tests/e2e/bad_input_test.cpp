// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

using namespace resilience::e2e;

namespace {

// A server with no backing servers: what these requests meet does not depend on them.
struct Fixture {
    Stack stack{Stack::Kind::embedded};
    Fixture() { stack.start_server(); }

    HttpReply post(const std::string& target, const std::string& body = {}) const {
        return stack.http().post(target, body);
    }
    std::size_t users() const { return stack.sql("SELECT id FROM users").size(); }
};

std::string field_of(const HttpReply& reply) {
    const auto body = reply.json();
    if (!body.is_object() || !body.as_object().contains("field")) return "";
    return std::string(body.at("field").as_string());
}

}  // namespace

TEST_CASE_FIXTURE(
    Fixture,
    "M6: a bad user is refused with 400 and the field's name, and nothing is written"
) {
    const std::string long_name(256, 'x');
    const std::string long_email = std::string(250, 'x') + "@b.com";
    const std::pair<std::string, std::string> cases[] = {
        {R"({"name":"A"})", "email"},
        {R"({"email":"a@b.c"})", "name"},
        {R"({"email":"","name":"A"})", "email"},
        {R"({"email":"a@b.c","name":""})", "name"},
        {R"({"email":7,"name":"A"})", "email"},
        {R"({"email":"a@b.c","name":["A"]})", "name"},
        {R"({"email":null,"name":"A"})", "email"},
        {R"({"email":"nobody","name":"A"})", "email"},
        {R"({"email":")" + long_email + R"(","name":"A"})", "email"},
        {R"({"email":"a@b.c","name":")" + long_name + R"("})", "name"},
        {"{\"email\":\"a@b.c\",\"name\":\"\xff\"}", "name"},
        {"{\"email\":\"a\\u0000@b.c\",\"name\":\"A\"}", "email"},
    };
    for (const auto& [body, field] : cases) {
        const auto reply = post("/v1/users", body);
        CHECK_MESSAGE(reply.status == 400, body);
        CHECK_MESSAGE(field_of(reply) == field, body);
        CHECK(reply.header("content-type").find("application/problem+json") == 0);
        CHECK_FALSE(reply.header("x-request-id").empty());
    }
    for (const std::string body :
         {"",
          "{",
          "[]",
          "\"text\"",
          "{}}",
          "{\"email\":\"a@b.c\",\"name\":\"\xff\"}",
          "{\"email\":\"a@b.c\",\"name\":\"a\\u0000b\"}",
          "{\"email\":\"a@b.c\",\"name\":\"\\ud800\"}"}) {
        CHECK_MESSAGE(post("/v1/users", body).status == 400, body);
    }
    CHECK(users() == 0);
    CHECK(stack.sql("SELECT id FROM outbox_events").empty());
}

TEST_CASE_FIXTURE(
    Fixture, "M7, M8: unknown, malformed, elsewhere, wrong method: 404, 400, 404, 405"
) {
    const std::string unknown = "/v1/users/0190163d-8694-739b-aea5-966c26f8ad91";
    CHECK(stack.http().get(unknown).status == 404);
    CHECK(
        stack.http().call("PUT", unknown, R"({"email":"a@b.c","name":"A"})").status == 404
    );
    CHECK(stack.http().get("/v1/users/17").status == 400);
    CHECK(
        stack.http()
            .call("PUT", "/v1/users/17", R"({"email":"a@b.c","name":"A"})")
            .status == 400
    );
    CHECK(stack.http().get("/v1/nothing").status == 404);
    CHECK(stack.http().get("/").status == 404);
    const auto wrong = stack.http().call("DELETE", unknown);
    CHECK(wrong.status == 405);
    CHECK(wrong.header("allow").find("GET") != std::string::npos);
    CHECK(wrong.header("allow").find("PUT") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "M6: a taken e-mail is 409 and makes no event") {
    REQUIRE(post("/v1/users", R"({"email":"a@b.c","name":"A"})").status == 201);
    CHECK(post("/users", R"({"email":"a@b.c","name":"B"})").status == 409);
    CHECK(users() == 1);
    CHECK(stack.sql("SELECT id FROM outbox_events").size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "M2, M3: bad bucket parameters are 400") {
    const std::string long_key(257, 'k');
    for (const std::string query :
         {"?key=a&tokens=0",
          "?key=a&tokens=-1",
          "?key=a&tokens=1.5",
          "?key=a&tokens=one",
          "?key=a&tokens=2147483649",
          "?key=a&tokens=99999999999999999999",
          "?key=a&tokens=",
          "?tokens=1",
          "?key=&tokens=1",
          "?key=a&key=b&tokens=1",
          "?key=a&tokens=1&tokens=2",
          "?key=%zz&tokens=1",
          "?key=%4",
          "?key=%00",
          "?key=%ff",
          ""}) {
        CHECK_MESSAGE(post("/api/bucket/consume" + query).status == 400, query);
    }
    CHECK(post("/api/bucket/consume?key=" + long_key).status == 400);
    CHECK(post("/api/bucket/consume?key=" + long_key.substr(1)).status == 200);
    CHECK(stack.http().get("/api/bucket/check").status == 400);
    CHECK(post("/api/bucket/reset").status == 400);
    for (const std::string body :
         {R"({})",
          R"({"requests":{}})",
          R"({"requests":[]})",
          R"({"requests":[{}]})",
          R"({"requests":[{"key":"a","tokens":0}]})",
          R"({"requests":[{"key":"a","tokens":"1"}]})",
          R"({"requests":[{"key":"","tokens":1}]})",
          R"({"requests":[{"key":"a","tokens":1}],"atomic":"no"})"}) {
        CHECK_MESSAGE(post("/api/bucket/bulk-consume", body).status == 400, body);
    }
    std::string many = R"({"requests":[)";
    for (int i = 0; i < 1001; ++i)
        many += (i ? "," : "") + std::string(R"({"key":"a","tokens":1})");
    CHECK(post("/api/bucket/bulk-consume", many + "]}").status == 400);
}

TEST_CASE_FIXTURE(
    Fixture, "a body over 1 MiB is 413 and a header block over 16 KiB is 431"
) {
    CHECK(post("/v1/users", std::string(1024 * 1024 + 1, ' ')).status == 413);
    const std::string chunked =
        "POST /v1/users HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
        "chunked\r\n\r\n200000\r\n" +
        std::string(0x200000, ' ') + "\r\n0\r\n\r\n";
    CHECK(stack.http().raw(chunked).find(" 413 ") != std::string::npos);
    const auto big =
        stack.http().call("GET", "/livez", "", {{"X-Big", std::string(20'000, 'x')}});
    CHECK(big.status == 431);
    CHECK(stack.http().get("/livez").status == 200);
}

TEST_CASE_FIXTURE(
    Fixture, "pipelined garbage is answered with 400 and closed, and the server lives"
) {
    const HttpClient http{stack.port(), std::chrono::seconds{5}};
    CHECK(
        http.raw("\x16\x03\x01\x02 not http\r\n\r\n").find(" 400 ") != std::string::npos
    );
    const auto both =
        http.raw("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n\x01\x02garbage\r\n\r\n");
    CHECK(both.find("HTTP/1.1 200") == 0);
    CHECK(both.find(" 400 ") != std::string::npos);
    CHECK(
        http.raw("GET /livez HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n")
            .find(" 400 ") != std::string::npos
    );
    CHECK(
        http.raw("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", true).find("HTTP/1.1 200") == 0
    );
    CHECK(http.get("/livez").status == 200);
}

TEST_CASE_FIXTURE(Fixture, "slow headers and slow bodies are cut off after ten seconds") {
    const HttpClient http{stack.port(), std::chrono::seconds{20}};
    std::string headers;
    std::string body;
    std::thread slow_headers([&] { headers = http.raw("GET /livez HTTP/1.1\r\nHost:"); });
    std::thread slow_body([&] {
        body =
            http.raw("POST /v1/users HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{");
    });
    const auto start = std::chrono::steady_clock::now();
    slow_headers.join();
    slow_body.join();
    const auto took = std::chrono::steady_clock::now() - start;
    // The server's answer, if it gave one, is 408; it closed in either case.
    CHECK((headers.empty() || headers.find(" 408 ") != std::string::npos));
    CHECK((body.empty() || body.find(" 408 ") != std::string::npos));
    CHECK(took > std::chrono::seconds{8});
    CHECK(took < std::chrono::seconds{18});
}

TEST_CASE_FIXTURE(
    Fixture, "thousands of broken connections leave the server's memory flat"
) {
    const HttpClient http{stack.port(), std::chrono::seconds{5}};
    const std::string pieces[] = {
        "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nContent-Le",
        "\r\n\r\n",
        std::string(2000, '\0'),
        "GET / HTTP/9.9\r\n\r\n",
        ""};
    const auto round = [&] {
        for (int i = 0; i < 1500; ++i)
            (void)http.raw(pieces[static_cast<std::size_t>(i) % 6], true);
    };
    round();
    const auto before = stack.server().resident_kib();
    round();
    CHECK(stack.server().resident_kib() < before + 4096);
    CHECK(http.get("/livez").status == 200);
}
