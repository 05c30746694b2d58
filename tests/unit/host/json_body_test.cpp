// SPDX-License-Identifier: MIT
#include <host/json_body.hpp>

#include <resilience/testing/allocation_counter.hpp>

#include <boost/json/array.hpp>

#include <doctest/doctest.h>

#include <string>

RESILIENCE_COUNT_ALLOCATIONS;

namespace resilience::host {
namespace {

Request with_body(std::string body) {
    Request request{Method::post, "/"};
    request.body = std::move(body);
    return request;
}

// What is wrong with the field `name` of a body, or with the body: "status field".
std::string verdict(std::string text) {
    JsonBody body{with_body(std::move(text))};
    body.string("name", {.max_bytes = 5});
    if (!body.failed()) return "fine";
    return std::to_string(body.problem().status) + ' ' + body.problem().field;
}

TEST_CASE("M6: fields are read with their types") {
    JsonBody body{with_body(
        R"({"name":"\u00e9","n":7,"big":2147483648,"flag":true,"list":[{"key":"a"}]})"
    )};
    CHECK(body.string("name") == "\xc3\xa9");
    CHECK(body.integer("n", 1, 10) == 7);
    CHECK(body.integer_or("missing", 3, 1, 10) == 3);
    CHECK(body.boolean_or("flag", false));
    CHECK_FALSE(body.boolean_or("missing", false));
    CHECK(body.string("absent", {.may_be_missing = true}).empty());
    const auto* list = body.array("list", 1);
    REQUIRE(list != nullptr);
    JsonBody part{list->at(0), "list[0]"};
    CHECK(part.string("key") == "a");
    CHECK_FALSE(body.failed());
    part.integer("tokens", 1, 2);
    CHECK(part.problem().field == "list[0].tokens");
    body.integer("big", 1, 2147483647);
    CHECK(body.problem().field == "big");
}

TEST_CASE("A field that is missing, of a wrong type, empty or too long is named") {
    CHECK(verdict(R"({"name":"fine"})") == "fine");
    CHECK(verdict(R"({})") == "400 name");
    CHECK(verdict(R"({"name":null})") == "400 name");
    CHECK(verdict(R"({"name":1})") == "400 name");
    CHECK(verdict(R"({"name":""})") == "400 name");
    CHECK(verdict(R"({"name":"sixsix"})") == "400 name");
}

TEST_CASE("A body that is no clean JSON object is refused") {
    CHECK(verdict("") == "400 ");
    CHECK(verdict("{") == "400 ");
    CHECK(verdict("[]") == "400 ");
    CHECK(verdict("null") == "400 ");
    CHECK(verdict(R"({"name":"a"} x)") == "400 ");
    CHECK(verdict("{\"name\":\"\xff\"}") == "400 name");
    CHECK(verdict("{\"name\":\"\xed\xa0\x80\"}") == "400 name");
    CHECK(verdict(R"({"name":"\ud800"})") == "400 name");
    CHECK(verdict(R"({"name":"a\u0000b"})") == "400 name");
    CHECK(verdict(R"({"name":"a","x":["\u0000"]})") == "400 x[0]");
    CHECK(verdict(R"({"name":"a","x\u0000":1})") == "400 ");
    CHECK(verdict("{\"x\":{\"\xff\":1,\"\xff\":2}}") == "400 x");
    CHECK(verdict(std::string("{\"name\":\"a\0b\"}", 14)) == "400 name");
    CHECK(verdict("{\"name\":" + std::string(100'000, '[')) == "400 ");
    CHECK(
        verdict("{\"name\":" + std::string(40, '[') + std::string(40, ']') + "}") ==
        "400 "
    );
}

TEST_CASE("M6: a member given twice is refused by its path, however its name is spelt") {
    const auto where = [](std::string text) {
        JsonBody body{with_body(std::move(text))};
        if (!body.failed()) return std::string{"fine"};
        CHECK(body.problem().status == 400);
        CHECK(body.problem().detail.ends_with("is given more than once"));
        return body.problem().field;
    };
    CHECK(where(R"({"name":"a","name":"a"})") == "name");
    CHECK(where(R"({"name":"a","n\u0061me":"b"})") == "name");
    CHECK(where(R"({"x":[{"k":1},{"k":1,"j":2,"k":3}]})") == "x[1].k");
    CHECK(where(R"({"a":{"b":[[],[1,{"":1,"":2}]]}})") == "a.b[1][1].");
    CHECK(where(R"({"a":{"k":1},"b":{"k":1},"k":[{"k":1},{"k":1}]})") == "fine");
}

TEST_CASE("M6: half of a surrogate pair is named together with its field") {
    const auto problem = [](std::string text) {
        const JsonBody body{with_body(std::move(text))};
        if (!body.failed()) return Problem{200};
        return body.problem();
    };
    for (const std::string half :
         {R"(\ud800)",
          R"(a\ud800b)",
          R"(\\\ud800)",
          R"(\udc00)",
          R"(\ud800\n)",
          R"(\ud800\ud800)",
          R"(\ud83d\ude00\ude00)"}) {
        CAPTURE(half);
        const Problem found = problem(R"({"a":"b","x":[1,")" + half + R"("]})");
        CHECK(found.status == 400);
        CHECK(found.field == "x[1]");
        CHECK(found.detail == "x[1] holds half of a surrogate pair without the other");
    }
    const Problem name = problem(R"({"a":"b","\ud800":1})");
    CHECK(name.field.empty());
    CHECK(name.detail == "the body holds half of a surrogate pair without the other");
    CHECK(problem(R"({"a":"\ud83d\ude00 \\ud800"})").status == 200);
    // What stopped the parser before is what is told.
    CHECK(problem(R"({"a":x,"b":"\ud800"})").detail.find("pair") == std::string::npos);
    CHECK(problem(R"({"a":"\ud8")").detail.find("pair") == std::string::npos);
}

TEST_CASE("M6: a control character that is not escaped is named with its field") {
    for (const char control : {'\0', '\x1f', '\n'}) {
        std::string text = R"({"other":"a","name":"b"})";
        text.insert(text.size() - 3, 1, control);
        const JsonBody body{with_body(text)};
        REQUIRE(body.failed());
        CHECK(body.problem().status == 400);
        CHECK(body.problem().field == "name");
        CHECK(
            body.problem().detail == "name holds a control character that is not escaped"
        );
    }
}

TEST_CASE("M6: a long name above many elements costs no more than its length") {
    std::string text = R"({")" + std::string(50'000, 'k') + R"(":[0)";
    for (int i = 0; i < 10'000; ++i) text += ",0";
    text += "]}";
    const std::size_t size = text.size();
    Request request = with_body(std::move(text));
    const testing::AllocationCounter counter;
    const JsonBody body{std::move(request)};
    CHECK_FALSE(body.failed());
    CHECK(counter.bytes() < 100 * size);
}

TEST_CASE("M3: tokens that are no whole number in range are refused") {
    for (std::string_view value :
         {"0",
          "-1",
          "1.5",
          "1.0",
          "\"3\"",
          "2147483649",
          "1e3",
          "99999999999999999999",
          "-9223372036854775809",
          "true",
          "null",
          "[1]"}) {
        CAPTURE(value);
        JsonBody body{with_body("{\"tokens\":" + std::string{value} + "}")};
        body.integer("tokens", 1, 2147483648);
        REQUIRE(body.failed());
        CHECK(body.problem().field == "tokens");
    }
}

TEST_CASE("The first finding stays") {
    JsonBody body{with_body("{}")};
    body.string("first");
    body.string("second");
    body.refuse("third", "is odd");
    CHECK(body.problem().field == "first");
}

TEST_CASE("M5: an array is bounded") {
    JsonBody body{with_body(R"({"requests":[1,2,3]})")};
    CHECK(body.array("requests", 2) == nullptr);
    CHECK(body.problem().field == "requests");
}

TEST_CASE("A content type that is not JSON is a 415") {
    const auto status = [](std::string_view type) {
        Request request = with_body("{}");
        request.add_header("Content-Type", type);
        const JsonBody body{request};
        return body.failed() ? body.problem().status : 200;
    };
    CHECK(status("application/json") == 200);
    CHECK(status("Application/JSON; charset=utf-8") == 200);
    CHECK(status("application/merge-patch+json") == 200);
    CHECK(status("text/plain") == 415);
    CHECK(status("application/x-www-form-urlencoded") == 415);
}

TEST_CASE("M6: a charset other than UTF-8 is a 415") {
    const auto problem = [](std::string_view parameters) {
        Request request = with_body("{}");
        request.add_header("Content-Type", "application/json" + std::string{parameters});
        const JsonBody body{request};
        return body.failed() ? body.problem() : Problem{200};
    };
    for (std::string_view good :
         {"",
          ";",
          "; ; charset=utf-8 ;",
          ";charset=UTF-8",
          ";CharSet=\"Utf-8\"",
          "; charset=\"u\\tf-8\"",
          "; charset=utf8",
          "; profile=\"; charset=utf-16\"",
          "; profile=\"\\\"; charset=utf-16\"; charset=utf-8",
          "; charsets=utf-16"}) {
        CAPTURE(good);
        CHECK(problem(good).status == 200);
    }
    for (std::string_view bad :
         {"; charset=utf-16",
          ";charset=\"utf-16\"",
          "; CHARSET=iso-8859-1",
          "; profile=a;charset=utf-16le",
          "; profile=\"\\\"\"; charset=utf-16",
          "; charset=utf-8; charset=utf-16",
          "; charset=utf-80",
          "; charset=\"utf-8",
          "; charset=",
          "; charset"}) {
        CAPTURE(bad);
        CHECK(problem(bad).status == 415);
        CHECK(problem(bad).detail == "the charset must be utf-8");
    }
}

TEST_CASE("M3: query parameters are read with their types") {
    const auto problem = [](std::string_view target) -> std::string {
        const Request request{Method::post, target};
        QueryReader query{request};
        const auto key = query.string("key", {.max_bytes = 8});
        const auto tokens = query.integer("tokens", 1, 2147483648);
        if (query.failed()) return query.problem().field;
        return key + ':' + std::to_string(tokens);
    };
    CHECK(problem("/?key=a%20b&tokens=3") == "a b:3");
    CHECK(problem("/?tokens=3") == "key");
    CHECK(problem("/?key=&tokens=3") == "key");
    CHECK(problem("/?key=a&key=a&tokens=3") == "key");
    CHECK(problem("/?key=123456789&tokens=3") == "key");
    for (std::string_view tokens :
         {"", "0", "-1", "1.5", "x", "2147483649", "+3", "%203", "0x10", "3&tokens=3"}) {
        CAPTURE(tokens);
        CHECK(problem("/?key=a&tokens=" + std::string{tokens}) == "tokens");
    }
    const Request request{Method::get, "/"};
    QueryReader query{request};
    CHECK(query.integer_or("limit", 5, 1, 10) == 5);
    CHECK_FALSE(query.failed());
}

}  // namespace
}  // namespace resilience::host
