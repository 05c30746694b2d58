// SPDX-License-Identifier: MIT
#include "unit/host/loopback.hpp"

#include <doctest/doctest.h>

#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace resilience::host {
namespace {

using std::chrono::milliseconds;

TEST_CASE_FIXTURE(Loopback, "A slow header is a 408") {
    options.header_timeout = milliseconds{50};
    start();
    Client client = connect();
    client.send("GET /hello HTTP/1.1\r\nHost:");
    const Reply reply = client.receive();
    CHECK(reply.status == 408);
    CHECK(reply.field("Connection") == "close");
    CHECK(client.ended());
}

TEST_CASE_FIXTURE(Loopback, "A header that trickles is a 408 as well") {
    options.header_timeout = milliseconds{100};
    start();
    Client client = connect();
    client.send("GET /hello HTTP/1.1\r\n");
    bool open = true;
    while (open) {
        open = client.send("X: 1\r\n");
        std::this_thread::sleep_for(milliseconds{5});
    }
    CHECK_FALSE(open);
    CHECK(server->connections() == 0);
}

TEST_CASE_FIXTURE(Loopback, "A header that stops at the end of a line is a 408") {
    options.header_timeout = milliseconds{50};
    options.idle_timeout = std::chrono::hours{1};
    start();
    Client fresh = connect();
    CHECK(fresh.ask("GET /hello HTTP/1.1\r\n").status == 408);
    CHECK(fresh.ended());
    Client kept = connect();
    CHECK(kept.ask(get("/hello")).status == 200);
    CHECK(kept.ask("GET /hello HTTP/1.1\r\n").status == 408);
    CHECK(kept.ended());
}

TEST_CASE_FIXTURE(Loopback, "A slow body is a 408") {
    options.body_timeout = milliseconds{50};
    start();
    Client client = connect();
    CHECK(
        client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
            .status == 408
    );
    CHECK(client.ended());
}

TEST_CASE_FIXTURE(Loopback, "A resting connection is closed without a word") {
    options.idle_timeout = milliseconds{50};
    start();
    Client silent = connect();
    CHECK(silent.ended());
    Client client = connect();
    CHECK(client.ask(get("/hello")).status == 200);
    CHECK(client.ended());
    wait_until_empty();
}

TEST_CASE_FIXTURE(Loopback, "A new connection has no longer than its header may take") {
    options.header_timeout = milliseconds{50};
    options.idle_timeout = std::chrono::hours{1};
    start();
    Client silent = connect();
    CHECK(silent.ended());
    Client empty_lines = connect();
    empty_lines.send("\r\n\r\n");
    CHECK(empty_lines.ended());
    // Once it has shown that it speaks, it may rest for longer.
    Client client = connect();
    CHECK(client.ask(get("/hello")).status == 200);
    Client other = connect();
    CHECK(other.ended());
    CHECK(client.ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(
    Loopback, "A handler past its deadline is cancelled and the answer is 503"
) {
    options.handler_timeout = milliseconds{50};
    bool past = false;
    router.root().get("/slow", {}, [&](Request& request) -> net::awaitable<Response> {
        net::steady_timer never{co_await net::this_coro::executor, TimePoint::max()};
        const TimePoint deadline = request.deadline;
        boost::system::error_code ec;
        co_await never.async_wait(net::redirect_error(net::use_awaitable, ec));
        past = Clock::now() >= deadline;
        co_await never.async_wait(net::use_awaitable);
        co_return text_response(200, "never");
    });
    start();
    Client client = connect();
    const Reply reply = client.ask(get("/slow"));
    CHECK(reply.status == 503);
    CHECK(reply.field("Retry-After") == "1");
    CHECK(past);
    // The connection and its later handlers are as good as before.
    CHECK(client.ask(get("/hello")).status == 200);
    CHECK(client.ask(get("/slow")).status == 503);
}

TEST_CASE_FIXTURE(Loopback, "A handler that ignores its deadline is answered for") {
    options.handler_timeout = milliseconds{50};
    options.handler_grace = milliseconds{50};
    net::steady_timer gate{io, TimePoint::max()};
    router.root().get("/deaf", {}, [&](Request&) -> net::awaitable<Response> {
        co_await net::this_coro::reset_cancellation_state(net::disable_cancellation());
        boost::system::error_code ec;
        co_await gate.async_wait(net::redirect_error(net::use_awaitable, ec));
        co_return text_response(200, "too late");
    });
    start();
    Client client = connect();
    const Reply reply = client.ask(get("/deaf"));
    CHECK(reply.status == 503);
    CHECK(reply.field("Connection") == "close");
    CHECK(client.ended());
    CHECK(server->connections() == 1);
    net::post(io, [&] { gate.cancel(); });
    wait_until_empty();
    CHECK(connect().ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(Loopback, "A client that does not read its answer is cut") {
    options.write_timeout = milliseconds{50};
    router.root().get("/large", {}, [](Request&) -> net::awaitable<Response> {
        co_return text_response(200, std::string(64 * 1024 * 1024, 'x'));
    });
    start();
    Client client = connect();
    client.send(get("/large"));
    while (server->connections() == 0) std::this_thread::yield();
    wait_until_empty();
    CHECK(client.receive().status == 0);
}

TEST_CASE_FIXTURE(Loopback, "I12: a drain cuts what does not end in time") {
    net::steady_timer gate{io, TimePoint::max()};
    std::promise<void> reached;
    router.root().get("/slow", {}, [&](Request&) -> net::awaitable<Response> {
        reached.set_value();
        boost::system::error_code ec;
        co_await gate.async_wait(net::redirect_error(net::use_awaitable, ec));
        co_return text_response(200, "late");
    });
    start();
    Client client = connect();
    client.send(get("/slow"));
    reached.get_future().wait();
    CHECK_FALSE(drain(milliseconds{50}).get());
    CHECK(client.receive().status == 0);
    net::post(io, [&] { gate.cancel(); });
    wait_until_empty();
}

TEST_CASE_FIXTURE(Loopback, "A server without free descriptors serves again later") {
    start();
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit scarce = before;
    scarce.rlim_cur = 256;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &scarce) == 0);
    std::vector<int> taken;
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken.push_back(fd);
    // The client gets what it needs, and the server finds nothing.
    std::optional<Client> client;
    while (!client) {
        close(taken.back());
        taken.pop_back();
        try {
            client.emplace(server->port());
        } catch (const boost::system::system_error&) {
        }
    }
    client->send(get("/hello"));
    while (metrics.serialize().find("accept-failed") == std::string::npos) {
        std::this_thread::yield();
    }
    CHECK(server->connections() == 0);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(client->receive().status == 200);
    for (int fd : taken) close(fd);
}

}  // namespace
}  // namespace resilience::host
