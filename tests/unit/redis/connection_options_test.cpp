// SPDX-License-Identifier: MIT
#include <resilience/redis/connection.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using std::chrono::milliseconds;

namespace {

// The field that the constructor names.
std::string refused(ConnectionOptions options) {
    net::io_context io;
    try {
        const Connection connection(io.get_executor(), std::move(options));
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(':'));
    }
    return "";
}

}  // namespace

TEST_CASE("M13: REDIS_ADDR is read as host:port, [v6]:port or unix:/path") {
    const auto name = with_address("redis.example:6380");
    CHECK(name.host == "redis.example");
    CHECK(name.port == 6380);
    CHECK(name.unix_socket.empty());

    const auto v6 = with_address("[fe80::1%eth0]:1");
    CHECK(v6.host == "fe80::1%eth0");
    CHECK(v6.port == 1);

    const auto local = with_address("unix:/run/redis.sock", {.password = "kept"});
    CHECK(local.unix_socket == "/run/redis.sock");
    CHECK(local.password == "kept");
    CHECK(with_address("a:1", local).unix_socket.empty());
}

TEST_CASE("M13: a malformed REDIS_ADDR is refused with the field and the value") {
    for (const std::string address :
         {"",
          "localhost",
          ":6379",
          "localhost:",
          "localhost:0",
          "localhost:65536",
          "localhost:-1",
          "localhost:6379x",
          "localhost: 6379",
          "::1:6379",
          "[::1]",
          "[::1:6379",
          "::1]:6379",
          "[]:6379",
          "[host]:6379",
          "unix:",
          "unix:relative",
          "a b:6379",
          "redis://localhost:6379"}) {
        CAPTURE(address);
        try {
            with_address(address);
            FAIL("was accepted");
        } catch (const std::invalid_argument& e) {
            const std::string words = e.what();
            CHECK(words.starts_with("address: "));
            CHECK(words.find("'" + address + "'") != std::string::npos);
        }
    }
}

TEST_CASE("an option out of range is refused at construction, by its name") {
    CHECK(refused({}) == "");
    CHECK(refused({.host = ""}) == "host");
    CHECK(refused({.port = 0}) == "port");
    CHECK(refused({.unix_socket = std::string(200, 'x')}) == "unix_socket");
    CHECK(refused({.username = "u"}) == "password");
    CHECK(refused({.unix_socket = "/s", .tls = {.enabled = true}}) == "tls.enabled");
    CHECK(refused({.tls = {.enabled = true, .ca_file = "/nowhere"}}) == "tls.ca_file");
    CHECK(refused({.client_name = "two words"}) == "client_name");
    CHECK(refused({.connect_timeout = milliseconds{0}}) == "connect_timeout");
    CHECK(refused({.request_timeout = milliseconds{0}}) == "request_timeout");
    CHECK(refused({.silence_limit = milliseconds{1}}) == "silence_limit");
    CHECK(refused({.max_in_flight = 0}) == "max_in_flight");
    CHECK(refused({.max_pending_bytes = 0}) == "max_pending_bytes");
    CHECK(refused({.max_reply_bytes = 10}) == "max_reply_bytes");
    CHECK(refused({.reconnect = {.factor = 0.5}}) == "reconnect");
}
