// SPDX-License-Identifier: MIT
#include "commands.hpp"

#include <resilience/redis/connection.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;

TEST_CASE(
    "M11: nothing is connected before the first command, then the greeting comes first"
) {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    auto options = peer.options();
    options.username = "user";
    options.password = "secret";
    options.database = 3;
    options.client_name = "tester";
    Connection connection(io.get_executor(), options);
    io.poll();
    CHECK(peer.connections == 0);
    CHECK_FALSE(connection.snapshot().connected);

    const auto reply = ask(io, connection, {"ECHO", "hello"});
    REQUIRE(reply.has_value());
    CHECK(*reply == Reply::of_bulk("hello"));
    const std::vector<Command> expected{
        {"AUTH", "user", "secret"},
        {"CLIENT", "SETNAME", "tester"},
        {"SELECT", "3"},
        {"PING"},
        {"ECHO", "hello"}};
    CHECK(peer.commands == expected);
    CHECK(connection.snapshot().connected);
    CHECK(connection.snapshot().connects == 1);
    CHECK(connection.snapshot().in_flight == 0);
}

TEST_CASE("M11: commands that come together are written together and answered in order") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    Connection connection(io.get_executor(), peer.options());
    REQUIRE(ask(io, connection, {"ECHO", "first"}).has_value());
    const auto reads = peer.reads;

    std::vector<std::shared_ptr<std::optional<Result<Reply>>>> places;
    for (int i = 0; i < 500; ++i) {
        places.push_back(start(connection, {"ECHO", std::to_string(i)}));
    }
    run_until(io, [&] { return places.back()->has_value(); });
    for (int i = 0; i < 500; ++i) {
        REQUIRE((*places[i])->has_value());
        CHECK((**places[i])->text == std::to_string(i));
    }
    CHECK(peer.reads - reads < 10);
    CHECK(connection.snapshot().in_flight == 0);
}

TEST_CASE("M11: replies may arrive byte by byte") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    peer.byte_by_byte = true;
    Connection connection(io.get_executor(), peer.options());
    auto a = start(connection, {"ECHO", "a\r\n$3\r\n"});
    auto b = start(connection, {"ECHO", ""});
    run_until(io, [&] { return b->has_value(); });
    CHECK((**a)->text == "a\r\n$3\r\n");
    CHECK((**b)->text.empty());
}

TEST_CASE("M11: garbage fails the request, leaves the others in doubt, and reconnects") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command& command) {
                          return command.at(1) == "bad"
                                     ? std::string("HTTP/1.1 200 OK\r\n")
                                     : echo(command);
                      }));
    Connection connection(io.get_executor(), peer.options());
    auto good = start(connection, {"ECHO", "good"});
    auto bad = start(connection, {"ECHO", "bad"});
    auto next = start(connection, {"ECHO", "next"});
    run_until(io, [&] { return next->has_value(); });
    CHECK((*good)->has_value());
    CHECK((*bad)->error() == Errc::protocol_error);
    CHECK((*next)->error() == Errc::connection_lost);
    CHECK(is_in_doubt((*next)->error().code));
    CHECK(connection.snapshot().losses == 1);

    CHECK(ask(io, connection, {"ECHO", "again"}).has_value());
    CHECK(peer.connections == 2);
}

TEST_CASE(
    "M11: a reply over the limit is a protocol error and the connection is made anew"
) {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command& command) {
                          return command.at(1) == "huge"
                                     ? "$5000\r\n" + std::string(5000, 'x') + "\r\n"
                                     : echo(command);
                      }));
    auto options = peer.options();
    options.max_reply_bytes = 4096;
    Connection connection(io.get_executor(), options);
    REQUIRE(ask(io, connection, {"ECHO", "small"}).has_value());
    CHECK(ask(io, connection, {"ECHO", "huge"}).error() == Errc::protocol_error);
    CHECK(ask(io, connection, {"ECHO", "small"}).has_value());
    CHECK(peer.connections == 2);
}

TEST_CASE("M11: an answer that nobody asked for ends the connection") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    Connection connection(io.get_executor(), peer.options());
    REQUIRE(ask(io, connection, {"ECHO", "x"}).has_value());
    peer.say("+surprise\r\n");
    run_until(io, [&] { return connection.snapshot().losses == 1; });
    CHECK(ask(io, connection, {"ECHO", "y"})->text == "y");
}

TEST_CASE(
    "M11: a request that was sent when the connection was cut is in doubt, not resent"
) {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command& command) {
                          return command.at(0) == "INCR" ? std::string{} : echo(command);
                      }));
    Connection connection(io.get_executor(), peer.options());
    REQUIRE(ask(io, connection, {"ECHO", "x"}).has_value());
    auto lost = start(connection, {"INCR", "counter"});
    run_until(io, [&] { return peer.count("INCR") == 1; });
    peer.cut();
    run_until(io, [&] { return lost->has_value(); });
    CHECK((*lost)->error() == Errc::connection_lost);
    CHECK(ask(io, connection, {"ECHO", "y"}).has_value());
    CHECK(peer.count("INCR") == 1);
    CHECK(connection.snapshot().connects == 2);
}

TEST_CASE("M11: a refused password fails what waits and what comes, without a new attempt"
) {
    net::io_context io;
    ScriptedPeer peer(io, [](const Command& command) -> std::string {
        return command.at(0) == "AUTH" ? "-WRONGPASS invalid username-password pair\r\n"
                                       : "-NOAUTH Authentication required.\r\n";
    });
    auto options = peer.options();
    options.password = "wrong";
    options.reconnect = {.base = std::chrono::hours{1}, .cap = std::chrono::hours{1}};
    Connection connection(io.get_executor(), options);
    auto a = start(connection, {"ECHO", "a"});
    auto b = start(connection, {"ECHO", "b"});
    run_until(io, [&] { return a->has_value() && b->has_value(); });
    CHECK((*a)->error() == Errc::access_denied);
    CHECK((*a)->error().detail.find("WRONGPASS") != std::string::npos);
    CHECK((*b)->error() == Errc::access_denied);
    CHECK(ask(io, connection, {"ECHO", "c"}).error() == Errc::access_denied);
    CHECK(peer.connections == 1);
    CHECK(peer.count("ECHO") == 0);
}

TEST_CASE("M11: a server that is loading, wants a password or lacks the database is told"
) {
    struct Row {
        std::string to;
        std::string answer;
        Errc code;
    };
    for (const auto& row :
         {Row{"PING", "-LOADING Redis is loading the dataset\r\n", Errc::unavailable},
          Row{"PING", "-NOAUTH Authentication required.\r\n", Errc::access_denied},
          Row{"AUTH",
              "-ERR Client sent AUTH, but no password is set\r\n",
              Errc::access_denied},
          Row{"SELECT", "-ERR DB index is out of range\r\n", Errc::invalid_request},
          Row{"PING", "nonsense\r\n", Errc::protocol_error}}) {
        CAPTURE(row.answer);
        net::io_context io;
        ScriptedPeer peer(io, [&](const Command& command) {
            return command.at(0) == row.to ? row.answer : std::string("+OK\r\n");
        });
        auto options = peer.options();
        options.password = "p";
        options.database = 99;
        options.reconnect = {.base = std::chrono::hours{1}, .cap = std::chrono::hours{1}};
        Connection connection(io.get_executor(), options);
        CHECK(ask(io, connection, {"ECHO", "a"}).error() == row.code);
    }
}

TEST_CASE("M11: a user who may not PING or name the client is still served") {
    net::io_context io;
    ScriptedPeer peer(io, [](const Command& command) -> std::string {
        return command.at(0) == "ECHO" ? echo(command) : "-NOPERM no permissions\r\n";
    });
    Connection connection(io.get_executor(), peer.options());
    CHECK(ask(io, connection, {"ECHO", "a"})->text == "a");
}

TEST_CASE("M11: a server that cannot be reached fails what waits and what comes") {
    net::io_context io;
    net::ip::tcp::acceptor closed(io, {net::ip::address_v4::loopback(), 0});
    const auto port = closed.local_endpoint().port();
    closed.close();
    ConnectionOptions options{.port = port};
    options.reconnect = {.base = std::chrono::hours{1}, .cap = std::chrono::hours{1}};
    Connection connection(io.get_executor(), options);
    auto a = start(connection, {"ECHO", "a"});
    run_until(io, [&] { return a->has_value(); });
    CHECK((*a)->error() == Errc::unavailable);
    CHECK_FALSE(is_in_doubt((*a)->error().code));
    CHECK_FALSE((*a)->error().detail.empty());
    CHECK(ask(io, connection, {"ECHO", "b"}).error() == Errc::unavailable);
}

TEST_CASE("M11: error replies are answers unless they concern the server or the user") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command& command) {
                          return "-" + command.at(1) + "\r\n";
                      }));
    Connection connection(io.get_executor(), peer.options());
    const auto own = ask(io, connection, {"GET", "WRONGTYPE Operation"});
    REQUIRE(own.has_value());
    CHECK(*own == Reply::of_error("WRONGTYPE Operation"));
    CHECK(ask(io, connection, {"GET", "NOPERM x"}).error() == Errc::access_denied);
    CHECK(ask(io, connection, {"SET", "READONLY x"}).error() == Errc::storage_full);
    CHECK(ask(io, connection, {"SET", "OOM x"}).error() == Errc::storage_full);
    CHECK(ask(io, connection, {"GET", "MOVED 1 h:1"}).error() == Errc::bad_destination);
    CHECK(ask(io, connection, {"GET", "LOADING x"}).error() == Errc::unavailable);
}

TEST_CASE("M11: the queue is bounded, by requests and by bytes") {
    net::io_context io;
    ScriptedPeer peer(io, [](const Command&) { return std::string{}; });
    auto options = peer.options();
    options.max_in_flight = 2;
    options.max_pending_bytes = 100;
    Connection connection(io.get_executor(), options);
    auto a = start(connection, {"ECHO", "a"});
    CHECK(
        ask(io, connection, {"ECHO", std::string(101, 'x')}).error() == Errc::too_large
    );
    CHECK(
        ask(io, connection, {"ECHO", std::string(60, 'x')}).error() == Errc::queue_full
    );
    auto b = start(connection, {"ECHO", "b"});
    CHECK(ask(io, connection, {"ECHO", "c"}).error() == Errc::queue_full);
    CHECK(connection.snapshot().in_flight == 2);
    CHECK(connection.snapshot().refused == 3);
    CHECK_FALSE(a->has_value());
    CHECK_FALSE(b->has_value());
}

TEST_CASE("M11: bytes that were written make room for others") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    auto options = peer.options();
    options.max_pending_bytes = 100;
    Connection connection(io.get_executor(), options);
    for (int i = 0; i < 20; ++i) {
        CHECK(ask(io, connection, {"ECHO", std::string(50, 'x')}).has_value());
    }
    peer.cut();
}

TEST_CASE("M11: commands that would change the shared connection are refused") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    Connection connection(io.get_executor(), peer.options());
    for (const Command& command :
         {Command{},
          Command{""},
          Command{"select", "1"},
          Command{"MULTI"},
          Command{"Subscribe", "c"},
          Command{"MONITOR"},
          Command{"HELLO", "3"},
          Command{"CLIENT", "reply", "OFF"},
          Command{"quit"},
          Command{"AUTH", "p"}}) {
        CHECK(ask(io, connection, command).error() == Errc::invalid_request);
    }
    CHECK(peer.connections == 0);
    CHECK(ask(io, connection, {"ECHO", "x"}).has_value());
}
