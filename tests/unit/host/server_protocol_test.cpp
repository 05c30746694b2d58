// SPDX-License-Identifier: MIT
#include "loopback.hpp"

#include <host/text.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace resilience::host {
namespace {

TEST_CASE("A field Host holds what a host and a port are written with, and nothing else"
) {
    for (std::string_view good :
         {"", "x", "example.com:80", "[::1]:8080", "a_b", "10.0.0.1", "x%20y"}) {
        CAPTURE(good);
        CHECK(is_host_field(good));
    }
    for (std::string_view bad :
         {"a b", "x\t", "a/b", "u@h", "h?q", "h#f", "<h>", "h\"", "\xc3\xa4", "a\\b"}) {
        CAPTURE(bad);
        CHECK_FALSE(is_host_field(bad));
    }
}

TEST_CASE_FIXTURE(Loopback, "A field Host that can be no host is a 400 and the end") {
    start();
    for (const std::string host : {"a b", "x/y", "me@x", "x, y z"}) {
        CAPTURE(host);
        Client client = connect();
        CHECK(
            client.ask("GET /hello HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status == 400
        );
        CHECK(client.ended());
    }
    Client client = connect();
    for (const std::string host : {"", "x", "[::1]:80", "example.com:8080 "}) {
        CAPTURE(host);
        CHECK(
            client.ask("GET /hello HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status == 200
        );
    }
}

TEST_CASE_FIXTURE(Loopback, "HTTP/1.0 knows no 100 Continue and is sent none") {
    start();
    Client client = connect();
    client.send("POST /echo HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    );
    // By the time this is answered, the header above was read.
    CHECK(connect().ask(get("/hello")).status == 200);
    client.send("body");
    const Reply reply = client.receive();
    CHECK(reply.status == 200);
    CHECK(reply.body == "body");
}

TEST_CASE_FIXTURE(Loopback, "The connection of a refused CONNECT is closed") {
    start();
    for (const std::string target : {"example.com:443", "/hello"}) {
        CAPTURE(target);
        Client client = connect();
        const Reply reply =
            client.ask("CONNECT " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(reply.status >= 400);
        CHECK(reply.field("Connection") == "close");
        CHECK(client.ended());
    }
}

TEST_CASE("An address that is not this machine's is a mistake of the setting") {
    Loopback loopback;
    // Reserved for documentation, so nobody has it.
    loopback.options.address = {"203.0.113.7", 0};
    CHECK_THROWS_WITH_AS(
        loopback.start(), doctest::Contains("203.0.113.7:0"), std::invalid_argument
    );
}

TEST_CASE("I12: a drain waits for a request of which a line has come") {
    const std::string body = "body";
    const std::string request = post("/echo", body);
    // To the end of its first line, of its second, and to the middle of that.
    for (const std::size_t cut :
         {request.find('\n') + 1, request.find("Content"), request.find("ntent")}) {
        CAPTURE(cut);
        Loopback other;
        other.start();
        Client client = other.connect();
        Client resting = other.connect();
        client.send(request.substr(0, cut));
        // What came before this question has been read when it is answered.
        CHECK(resting.ask(get("/hello")).status == 200);
        auto drained = other.drain(std::chrono::hours{1});
        CHECK(resting.ended());
        CHECK(client.ask(request.substr(cut)).body == body);
        CHECK(client.ended());
        CHECK(drained.get());
    }
}

}  // namespace
}  // namespace resilience::host
