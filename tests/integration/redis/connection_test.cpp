// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;
using namespace std::chrono_literals;

namespace {

std::string own_id(net::io_context& io, Connection& connection) {
    return std::to_string(ask(io, connection, {"CLIENT", "ID"}).value().integer);
}

// The outcome of a command with these options, on a connection of its own.
Result<Reply> once(ConnectionOptions options, Command command) {
    net::io_context io;
    Connection connection(io.get_executor(), std::move(options));
    return ask(io, connection, std::move(command));
}

}  // namespace

TEST_CASE("M11: SELECT and CLIENT SETNAME hold on each connection, the next one too") {
    PrivateServer server;
    auto options = server.options();
    options.database = 5;
    options.client_name = "a-name";
    net::io_context io;
    Connection connection(io.get_executor(), options);
    REQUIRE(ask(io, connection, {"SET", "k", "five"}).has_value());
    CHECK(ask(io, connection, {"CLIENT", "GETNAME"})->text == "a-name");
    CHECK(once(server.options(), {"GET", "k"})->kind == ReplyKind::nil);

    const auto id = own_id(io, connection);
    REQUIRE(once(server.options(), {"CLIENT", "KILL", "ID", id}).has_value());
    CHECK(ask_patiently(io, connection, {"GET", "k"})->text == "five");
    CHECK(ask(io, connection, {"CLIENT", "GETNAME"})->text == "a-name");
}

TEST_CASE("M11: a database that does not exist is told") {
    PrivateServer server;
    auto options = server.options();
    options.database = 99;
    CHECK(once(options, {"PING"}).error() == Errc::invalid_request);
}

TEST_CASE("M11: passwords and users are checked, and a refusal says so") {
    PrivateServer server({"--requirepass", "secret"});
    auto options = server.options();
    CHECK(once(options, {"PING"}).error() == Errc::access_denied);
    options.password = "wrong";
    CHECK(once(options, {"PING"}).error() == Errc::access_denied);
    options.username = "nobody";
    CHECK(once(options, {"PING"}).error() == Errc::access_denied);

    options.username = "";
    options.password = "secret";
    REQUIRE(once(options, {"ACL", "SETUSER", "limited", "on", ">pw", "~*", "+get"})
                .has_value());
    options.username = "limited";
    options.password = "pw";
    CHECK(once(options, {"GET", "k"})->kind == ReplyKind::nil);
    CHECK(once(options, {"SET", "k", "v"}).error() == Errc::access_denied);
}

TEST_CASE("M11: a password that becomes right is used without a restart") {
    PrivateServer server({"--requirepass", "old"});
    auto options = server.options();
    options.password = "new";
    net::io_context io;
    Connection connection(io.get_executor(), options);
    CHECK(ask(io, connection, {"PING"}).error() == Errc::access_denied);
    auto admin = server.options();
    admin.password = "old";
    REQUIRE(once(admin, {"CONFIG", "SET", "requirepass", "new"}).has_value());
    CHECK(ask_patiently(io, connection, {"PING"}).has_value());
}

TEST_CASE("M11: TLS is spoken, and a certificate that is not trusted ends the attempt") {
    auto options = with_address(environment("RESILIENCE_TEST_REDIS_TLS_ADDR"));
    options.tls = {.enabled = true, .ca_file = environment("RESILIENCE_TEST_TLS_CA")};
    CHECK(once(options, {"ECHO", "over TLS"})->text == "over TLS");

    const std::string large(300'000, 'x');
    CHECK(once(options, {"ECHO", large})->text == large);

    auto wrong_name = options;
    wrong_name.tls.server_name = "elsewhere.example";
    auto refused = once(wrong_name, {"PING"});
    CHECK(refused.error() == Errc::unavailable);
    CHECK(refused.error().detail.find("TLS") != std::string::npos);
    wrong_name.tls.verify = false;
    CHECK(once(wrong_name, {"PING"}).has_value());

    auto not_trusted = options;
    not_trusted.tls.ca_file = "";
    CHECK(once(not_trusted, {"PING"}).error() == Errc::unavailable);

    auto plain = options;
    plain.tls = {};
    CHECK_FALSE(once(plain, {"PING"}).has_value());

    auto tls_to_plain = shared_server();
    tls_to_plain.tls = options.tls;
    CHECK_FALSE(once(tls_to_plain, {"PING"}).has_value());
}

TEST_CASE("M11: a Unix socket takes the place of host and port") {
    const auto path = environment("RESILIENCE_TEST_REDIS_SOCKET");
    CHECK(once(with_address("unix:" + path), {"PING"})->text == "PONG");
    const auto missing = once({.unix_socket = path + ".missing"}, {"PING"});
    CHECK(missing.error() == Errc::unavailable);
    CHECK_FALSE(missing.error().detail.empty());
}

TEST_CASE("M11: a name that cannot be looked up is told within the deadline") {
    const auto reply = once({.host = "no-such-host.invalid"}, {"PING"});
    CHECK(reply.error() == Errc::unavailable);
}

TEST_CASE("M11: a paused server: in doubt at the deadline, then everything is well again"
) {
    PrivateServer server;
    auto options = server.options();
    options.request_timeout = 50ms;
    options.silence_limit = 30s;
    net::io_context io;
    Connection connection(io.get_executor(), options);
    REQUIRE(ask_patiently(io, connection, {"SET", "n", "0"}).has_value());
    REQUIRE(ask(io, connection, {"CLIENT", "PAUSE", "400"}).has_value());
    const auto reply = ask(io, connection, {"INCR", "n"});
    CHECK(reply.error() == Errc::timed_out_in_doubt);
    CHECK(connection.snapshot().timeouts >= 1);
    // The late answer is dropped, and the connection is still the same.
    const auto later = ask_patiently(io, connection, {"ECHO", "mine"});
    REQUIRE(later.has_value());
    CHECK(later->text == "mine");
    CHECK(ask(io, connection, {"GET", "n"})->text == "1");
    CHECK(connection.snapshot().losses == 0);
    CHECK(connection.snapshot().in_flight == 0);
}

TEST_CASE("M11: a server that falls silent is left, and found again when it answers") {
    PrivateServer server;
    auto options = server.options();
    options.connect_timeout = 100ms;
    options.request_timeout = 50ms;
    options.silence_limit = 100ms;
    net::io_context io;
    Connection connection(io.get_executor(), options);
    REQUIRE(ask_patiently(io, connection, {"PING"}).has_value());
    server.freeze();
    CHECK(ask(io, connection, {"PING"}).error() == Errc::timed_out_in_doubt);
    while (connection.snapshot().losses == 0) {
        CHECK_FALSE(ask(io, connection, {"PING"}).has_value());
    }
    for (int i = 0; i < 20; ++i) {
        const auto reply = ask(io, connection, {"PING"});
        CHECK(reply.error() == Errc::unavailable);
    }
    CHECK(connection.snapshot().in_flight == 0);
    server.thaw();
    CHECK(ask_patiently(io, connection, {"PING"}).has_value());
}

TEST_CASE("M11: a server that ends and returns is found again without a restart") {
    PrivateServer server;
    net::io_context io;
    Connection connection(io.get_executor(), server.options());
    for (int round = 0; round < 3; ++round) {
        REQUIRE(ask_patiently(io, connection, {"PING"}).has_value());
        server.kill();
        const auto reply = ask(io, connection, {"PING"});
        REQUIRE_FALSE(reply.has_value());
        const bool expected =
            reply.error() == Errc::unavailable || reply.error() == Errc::connection_lost;
        CHECK(expected);
        server.start();
    }
    CHECK(ask_patiently(io, connection, {"PING"}).has_value());
}

TEST_CASE("M11: connections killed under load leave each request answered exactly once") {
    PrivateServer server;
    REQUIRE(once(server.options(), {"SET", "n", "0"}).has_value());
    net::thread_pool threads(4);
    Connection connection(threads.get_executor(), server.options());
    constexpr int callers = 64;
    constexpr int successes = 100;
    std::atomic<int> known{0};
    std::atomic<int> in_doubt{0};
    std::atomic<int> running{callers};
    for (int i = 0; i < callers; ++i) {
        net::co_spawn(
            threads,
            [&]() -> net::awaitable<void> {
                for (int mine = 0; mine < successes;) {
                    Command command{"INCR", "n"};
                    const auto reply = co_await connection.async_command(
                        std::move(command), net::use_awaitable
                    );
                    if (reply) {
                        ++mine;
                        ++known;
                    } else if (is_in_doubt(reply.error().code)) {
                        ++in_doubt;
                    }
                }
                --running;
            },
            net::detached
        );
    }
    net::io_context io;
    Connection killer(io.get_executor(), server.options());
    while (running > 0) {
        CHECK(ask(io, killer, {"CLIENT", "KILL", "TYPE", "normal"}).has_value());
        const int enough = known + 200;
        while (running > 0 && known < enough) {
            CHECK(ask(io, killer, {"PING"}).has_value());
        }
    }
    CHECK(known == callers * successes);
    const auto total = std::stoi(ask(io, killer, {"GET", "n"})->text);
    CHECK(total >= known);
    CHECK(total <= known + in_doubt);
    CHECK(connection.snapshot().losses > 0);
    CHECK(connection.snapshot().in_flight == 0);
    connection.close();
    threads.join();
}

TEST_CASE("M11: requests cancelled at any point complete once and answers stay in step") {
    PrivateServer server;
    net::io_context io;
    auto options = server.options();
    options.max_in_flight = 4096;
    Connection connection(io.get_executor(), options);
    std::mt19937_64 random(5);
    int completed = 0;
    int started = 0;
    int mismatched = 0;
    for (int round = 0; round < 2000; ++round) {
        auto signal = std::make_shared<net::cancellation_signal>();
        const auto word = std::to_string(round);
        ++started;
        connection.async_command(
            {"ECHO", word},
            net::bind_cancellation_slot(
                signal->slot(),
                [&, word, signal](const Result<Reply>& reply) {
                    ++completed;
                    if (reply && reply->text != word) ++mismatched;
                    if (!reply) {
                        const bool cancelled = reply.error() == Errc::cancelled ||
                                               reply.error() == Errc::cancelled_in_doubt;
                        CHECK(cancelled);
                    }
                }
            )
        );
        for (auto steps = random() % 6; steps > 0; --steps) io.poll_one();
        if (random() % 2 == 0) signal->emit(net::cancellation_type::terminal);
        io.restart();
    }
    CHECK(ask(io, connection, {"ECHO", "end"})->text == "end");
    while (completed < started) io.run_one();
    CHECK(mismatched == 0);
    CHECK(connection.snapshot().in_flight == 0);
    CHECK(connection.snapshot().losses == 0);
}

TEST_CASE("M11: destroying the connection under load completes every request") {
    PrivateServer server;
    for (int round = 0; round < 20; ++round) {
        net::thread_pool threads(4);
        auto connection =
            std::make_unique<Connection>(threads.get_executor(), server.options());
        std::atomic<int> completed{0};
        for (int i = 0; i < 200; ++i) {
            connection->async_command({"INCR", "n"}, [&](const Result<Reply>&) {
                ++completed;
            });
            if (i == 20 * round) connection->close();
        }
        connection.reset();
        threads.join();
        CHECK(completed == 200);
    }
}
