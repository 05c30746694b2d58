// SPDX-License-Identifier: MIT
#include <host/response_writer.hpp>
#include <host/trace.hpp>

#include <doctest/doctest.h>

#include <string>

namespace resilience::host {
namespace {

constexpr std::array<std::uint64_t, 3> random{
    0x1111111111111111, 0x2222222222222222, 0x3333333333333333};
constexpr std::string_view trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";

TEST_CASE("I11: a well-formed traceparent is continued with a span of its own") {
    const auto context = TraceContext::continued(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", random
    );
    CHECK(
        context.traceparent() == "00-4bf92f3577b34da6a3ce929d0e0e4736-3333333333333333-01"
    );
    CHECK(context.trace_id() == trace_id);
    CHECK(context.span_id() == "3333333333333333");
    CHECK(TraceContext::continued(
              "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", random
    )
              .traceparent()
              .ends_with("-00"));
    CHECK(
        TraceContext::continued(
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", random
        )
            .trace_id() == trace_id
    );
}

TEST_CASE("X14: a malformed traceparent counts as none") {
    for (std::string_view text :
         {"",
          "00",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
          "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
          "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"}) {
        CAPTURE(text);
        const auto context = TraceContext::continued(text, random);
        CHECK(
            context.traceparent() ==
            "00-11111111111111112222222222222222-3333333333333333-01"
        );
    }
    // Random words of zero still make a valid context.
    CHECK(
        TraceContext::continued("", {0, 0, 0}).traceparent() ==
        "00-00000000000000010000000000000000-0000000000000001-01"
    );
}

TEST_CASE("A request id is 1 to 64 of a few characters") {
    CHECK(is_request_id("a.B_9-"));
    CHECK(is_request_id(std::string(64, 'a')));
    CHECK_FALSE(is_request_id(""));
    CHECK_FALSE(is_request_id(std::string(65, 'a')));
    CHECK_FALSE(is_request_id("a b"));
    CHECK_FALSE(is_request_id("a\"b"));
    CHECK_FALSE(is_request_id("\xc3\xa9"));
}

TEST_CASE("An answer goes out with its frame, and a value cannot add fields") {
    Response response = text_response(200, "hello");
    response.headers.emplace_back("Location", "/x\r\nEvil: 1");
    std::string out;
    write_response(
        out, response, {.server = "s", .date = "d", .request_id = "r", .traceparent = "t"}
    );
    CHECK(
        out ==
        "HTTP/1.1 200 OK\r\nServer: s\r\nDate: d\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n"
        "X-Request-Id: r\r\ntraceparent: t\r\nLocation: /x  Evil: 1\r\n\r\nhello"
    );
    out.clear();
    write_response(out, Response{204}, {.http_1_1 = false, .keep_alive = true});
    CHECK(out == "HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n");
    out.clear();
    write_response(
        out, text_response(404, "gone"), {.keep_alive = false, .without_body = true}
    );
    CHECK(out.ends_with("Content-Length: 4\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("A date is written as HTTP wants it") {
    HttpDate date;
    const WallClock::time_point time{
        std::chrono::sys_days{std::chrono::year{1994} / 11 / 6} +
        std::chrono::seconds{8 * 3600 + 49 * 60 + 37}};
    CHECK(date.at(time) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(
        date.at(time + std::chrono::milliseconds{999}) == "Sun, 06 Nov 1994 08:49:37 GMT"
    );
    CHECK(date.at(time + std::chrono::seconds{1}) == "Sun, 06 Nov 1994 08:49:38 GMT");
}

}  // namespace
}  // namespace resilience::host
