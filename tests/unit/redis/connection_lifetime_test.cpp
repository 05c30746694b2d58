// SPDX-License-Identifier: MIT
#include "commands.hpp"

#include <resilience/redis/connection.hpp>

#include <boost/asio/bind_executor.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;

TEST_CASE("M11: a request cancelled before it is sent has no effect and is never sent") {
    net::io_context io;
    bool greet = false;
    ScriptedPeer peer(io, [&](const Command& command) -> std::string {
        if (command.at(0) != "PING")
            return command.at(0) == "ECHO" ? echo(command) : "+OK\r\n";
        return greet ? "+PONG\r\n" : "";
    });
    Connection connection(io.get_executor(), peer.options());
    net::cancellation_signal signal;
    auto cancelled = start(connection, {"ECHO", "a"}, &signal);
    auto kept = start(connection, {"ECHO", "b"});
    run_until(io, [&] { return peer.count("PING") == 1; });
    SUBCASE("by total") { signal.emit(net::cancellation_type::total); }
    SUBCASE("by terminal") { signal.emit(net::cancellation_type::terminal); }
    run_until(io, [&] { return cancelled->has_value(); });
    CHECK((*cancelled)->error() == Errc::cancelled);
    CHECK(connection.snapshot().in_flight == 1);

    peer.say("+PONG\r\n");
    run_until(io, [&] { return kept->has_value(); });
    CHECK((**kept)->text == "b");
    CHECK(peer.count("ECHO") == 1);
}

TEST_CASE("M11: a request cancelled at once, before the connection saw it, is not sent") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    Connection connection(io.get_executor(), peer.options());
    REQUIRE(ask(io, connection, {"ECHO", "up"}).has_value());
    net::cancellation_signal signal;
    auto cancelled = start(connection, {"ECHO", "a"}, &signal);
    signal.emit(net::cancellation_type::terminal);
    run_until(io, [&] { return cancelled->has_value(); });
    CHECK_FALSE((*cancelled)->has_value());
    signal.emit(net::cancellation_type::terminal);  // after the end: without effect
    CHECK(ask(io, connection, {"ECHO", "b"})->text == "b");
}

TEST_CASE("M11: the late answer of a request cancelled after it was sent is dropped") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command&) {
                          return std::string{};
                      }));
    Connection connection(io.get_executor(), peer.options());
    net::cancellation_signal signal;
    auto first = start(connection, {"ECHO", "a"}, &signal);
    auto second = start(connection, {"ECHO", "b"});
    run_until(io, [&] { return peer.count("ECHO") == 2; });
    signal.emit(net::cancellation_type::total);  // too weak for what was sent
    io.poll();
    CHECK_FALSE(first->has_value());
    signal.emit(net::cancellation_type::partial);
    run_until(io, [&] { return first->has_value(); });
    CHECK((*first)->error() == Errc::cancelled_in_doubt);
    CHECK(connection.snapshot().in_flight == 2);

    peer.say("$1\r\na\r\n$1\r\nb\r\n");
    run_until(io, [&] { return second->has_value(); });
    CHECK((**second)->text == "b");
    CHECK(connection.snapshot().in_flight == 0);
    CHECK(connection.snapshot().losses == 0);
}

TEST_CASE("M11: destroying the connection completes what was sent and what waits") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command&) {
                          return std::string{};
                      }));
    std::optional<Connection> connection;
    connection.emplace(io.get_executor(), peer.options());
    auto sent = start(*connection, {"ECHO", "a"});
    run_until(io, [&] { return peer.count("ECHO") == 1; });
    auto waiting = start(*connection, {"ECHO", "b"});
    connection.reset();
    run_until(io, [&] { return sent->has_value() && waiting->has_value(); });
    CHECK((*sent)->error() == Errc::connection_lost);
    CHECK_FALSE((*waiting)->has_value());
}

TEST_CASE("M11: closing while connecting ends at once, and later requests are refused") {
    net::io_context io;
    ScriptedPeer peer(io, [](const Command&) { return std::string{}; });
    Connection connection(io.get_executor(), peer.options());
    auto waiting = start(connection, {"ECHO", "a"});
    run_until(io, [&] { return peer.count("PING") == 1; });
    connection.close();
    run_until(io, [&] { return waiting->has_value(); });
    CHECK((*waiting)->error() == Errc::closed);
    CHECK(ask(io, connection, {"ECHO", "b"}).error() == Errc::closed);
    CHECK_FALSE(connection.snapshot().connected);
}

TEST_CASE("M11: a coroutine that owns its connection is let go with the execution context"
) {
    auto sentinel = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = sentinel;
    {
        net::io_context io;
        ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command&) {
                              return std::string{};
                          }));
        auto body = [](std::shared_ptr<int>,
                       net::any_io_executor executor,
                       ConnectionOptions options) -> net::awaitable<void> {
            Connection connection(executor, options);
            Command command{"ECHO", "a"};
            co_await connection.async_command(std::move(command), net::use_awaitable);
        };
        net::co_spawn(
            io,
            body(std::move(sentinel), io.get_executor(), peer.options()),
            net::detached
        );
        run_until(io, [&] { return peer.count("ECHO") == 1; });
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
}

TEST_CASE("M11: a handler runs on its own executor and never inside the call") {
    net::io_context io;
    net::io_context own;
    ScriptedPeer peer(io, ScriptedPeer::greeting(echo));
    Connection connection(io.get_executor(), peer.options());
    bool done = false;
    connection.async_command(
        {"ECHO", "a"},
        net::bind_executor(
            own.get_executor(),
            [&](Result<Reply> result) {
                CHECK(own.get_executor().running_in_this_thread());
                CHECK(result->text == "a");
                done = true;
            }
        )
    );
    // The executor's context stays busy although it has nothing to run yet.
    CHECK(own.poll() == 0);
    CHECK_FALSE(own.stopped());
    run_until(io, [&] {
        own.poll();
        return done;
    });
}
