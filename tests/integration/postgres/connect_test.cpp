// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

using namespace postgres_tests;

namespace {

net::awaitable<resilience::Failure> refusal(pg::ConnectionOptions options) {
    pg::Connection connection{co_await net::this_coro::executor, std::move(options)};
    const auto opened = co_await connection.async_connect();
    REQUIRE_FALSE(opened.has_value());
    CHECK_FALSE(connection.is_open());
    co_return opened.error();
}

}  // namespace

TEST_CASE("connect: by name, by address, by connection string, by Unix socket") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto options = server();
        options.host = "localhost";
        auto by_name = co_await connected(options);
        CHECK(co_await value(by_name, "SHOW application_name") == "resilience");
        CHECK(co_await value(by_name, "SHOW client_encoding") == "UTF8");

        options = server();
        pg::ConnectionOptions by_string;
        by_string.conninfo = "host=" + options.host +
                             " port=" + std::to_string(options.port) +
                             " user=" + options.user + " password=" + options.password +
                             " dbname=" + options.database + " application_name=mine";
        auto second = co_await connected(by_string);
        CHECK(co_await value(second, "SHOW application_name") == "mine");

        options.host = environment("RESILIENCE_TEST_DB_SOCKET");
        auto by_socket = co_await connected(options);
        CHECK(co_await value(by_socket, "SELECT inet_client_addr() IS NULL") == "t");
    });
}

TEST_CASE("connect: the next host is taken when one does not answer") {
    run([](net::io_context&) -> net::awaitable<void> {
        net::ip::tcp::acceptor nobody{
            co_await net::this_coro::executor,
            net::ip::tcp::endpoint{net::ip::address_v4::loopback(), 0}};
        const auto closed = std::to_string(nobody.local_endpoint().port());
        nobody.close();
        auto options = server();
        pg::ConnectionOptions both;
        both.conninfo = "host=localhost," + options.host + " port=" + closed + "," +
                        std::to_string(options.port) + " user=" + options.user +
                        " password=" + options.password + " dbname=" + options.database;
        auto connection = co_await connected(both);
        CHECK(co_await value(connection, "SELECT 1") == "1");
    });
}

TEST_CASE("connect: each refusal has its code and shows no password") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto options = server();
        options.password = "hunter2";
        const auto denied = co_await refusal(options);
        CHECK(denied == Errc::access_denied);
        CHECK(denied.detail.find("28P01") != std::string::npos);
        CHECK(denied.detail.find("hunter2") == std::string::npos);

        options = server();
        options.password.clear();
        options.extra = {{"passfile", "/nonexistent"}};
        CHECK(co_await refusal(options) == Errc::access_denied);

        options = server();
        options.database = "no_such_database";
        CHECK(co_await refusal(options) == Errc::bad_destination);

        options = server();
        options.host = "no-such-host.invalid";
        CHECK(co_await refusal(options) == Errc::unavailable);

        options = server();
        options.extra = {{"options", "-cno_such_setting=1"}};
        CHECK(co_await refusal(options) == Errc::invalid_request);

        net::ip::tcp::acceptor nobody{
            co_await net::this_coro::executor,
            net::ip::tcp::endpoint{net::ip::address_v4::loopback(), 0}};
        options = server();
        options.host = "127.0.0.1";
        options.port = nobody.local_endpoint().port();
        nobody.close();
        CHECK(co_await refusal(options) == Errc::unavailable);
    });
}

TEST_CASE("connect: TLS is used when asked for, and the certificate is checked") {
    run([](net::io_context&) -> net::awaitable<void> {
        const std::string in_use =
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        auto options = server();
        options.ssl_mode = pg::SslMode::disable;
        auto plain = co_await connected(options);
        CHECK(co_await value(plain, in_use) == "f");

        options.ssl_mode = pg::SslMode::require;
        auto required = co_await connected(options);
        CHECK(co_await value(required, in_use) == "t");

        options.ssl_mode = pg::SslMode::verify_full;
        options.ssl_root_cert = environment("RESILIENCE_TEST_TLS_CA");
        auto verified = co_await connected(options);
        CHECK(co_await value(verified, in_use) == "t");

        options.host = "localhost";
        CHECK(co_await value(verified, in_use) == "t");

        // The certificate names neither this address nor is the bundle its authority.
        options.host = "127.0.0.2";
        CHECK(co_await refusal(options) == Errc::unavailable);
        options.host = server().host;
        options.ssl_root_cert = "/etc/ssl/certs/ca-certificates.crt";
        CHECK(co_await refusal(options) == Errc::unavailable);
    });
}

TEST_CASE("connect: a server that says nothing is given up after the deadline") {
    run([](net::io_context&) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        proxy.freeze(true);
        auto options = through(proxy);
        options.connect_timeout = 100ms;
        const auto failure = co_await refusal(options);
        CHECK(failure == Errc::timed_out);
        CHECK(failure.detail == "no connection within 100 ms");
        proxy.freeze(false);
        options.connect_timeout = 5s;
        auto connection = co_await connected(options);
        CHECK(co_await value(connection, "SELECT 1") == "1");
    });
}

TEST_CASE("connect: it can be cancelled and closed while it waits") {
    run([](net::io_context& context) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        proxy.freeze(true);
        for (const bool cancel : {true, false}) {
            pg::Connection connection{context.get_executor(), through(proxy)};
            net::cancellation_signal signal;
            std::optional<Result<void>> result;
            const int before = proxy.accepted();
            connection.async_connect(net::bind_cancellation_slot(
                signal.slot(), [&](Result<void> opened) { result = opened; }
            ));
            co_await until([&] { return proxy.accepted() > before || result; });
            CHECK_FALSE(result.has_value());
            if (cancel) {
                signal.emit(net::cancellation_type::total);
            } else {
                connection.close();
            }
            co_await until([&] { return result.has_value(); });
            CHECK(result->error() == (cancel ? Errc::cancelled : Errc::closed));
            CHECK_FALSE(connection.is_open());
        }
    });
}

TEST_CASE("connect: a connection may be closed and opened again") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        CHECK((co_await connection.async_connect()).error() == Errc::invalid_request);
        connection.close();
        co_await until([&] { return !connection.is_open(); });
        const auto closed = co_await connection.async_execute("SELECT 1");
        CHECK(closed.error() == Errc::unavailable);
        CHECK((co_await connection.async_run_script("")).error() == Errc::unavailable);
        REQUIRE(ok(co_await connection.async_connect()));
        CHECK(co_await value(connection, "SELECT 1") == "1");
    });
}
