// SPDX-License-Identifier: MIT
#include "loopback.hpp"

#include <doctest/doctest.h>

#include <future>
#include <stdexcept>
#include <string>

namespace resilience::host {
namespace {

TEST_CASE_FIXTURE(Loopback, "A connection serves many requests, one after the other") {
    start();
    Client client = connect();
    for (int i = 0; i < 100; ++i) {
        CHECK(client.ask(get("/hello")).status == 200);
        CHECK(client.ask(post("/echo", "body")).body == "body");
    }
    CHECK(client.ask(get("/nothing")).status == 404);
    CHECK(
        client.ask("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n").field("Allow") ==
        "GET, HEAD, OPTIONS"
    );
}

TEST_CASE_FIXTURE(Loopback, "Pipelined requests are answered in order") {
    start();
    Client client = connect();
    std::string many;
    for (int i = 0; i < 50; ++i) many += post("/echo", std::to_string(i));
    client.send(many);
    for (int i = 0; i < 50; ++i) CHECK(client.receive().body == std::to_string(i));
}

TEST_CASE_FIXTURE(Loopback, "Every answer carries request id, trace, date and server") {
    options.server_name = "test";
    start();
    Client client = connect();
    const Reply own = client.ask(
        get("/hello",
            "X-Request-Id: abc-1\r\n"
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n")
    );
    CHECK(own.field("X-Request-Id") == "abc-1");
    CHECK(own.body == "hello abc-1");
    CHECK(own.field("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    CHECK(own.field("traceparent").find("00f067aa0ba902b7") == std::string::npos);
    CHECK(own.field("Server") == "test");
    CHECK(own.field("Date").ends_with(" GMT"));

    const Reply made = client.ask(get("/hello", "X-Request-Id: not well formed\r\n"));
    CHECK(made.field("X-Request-Id").size() == 36);
    CHECK(made.field("traceparent").size() == 55);
    const Reply other = client.ask(get("/nothing"));
    CHECK(other.field("X-Request-Id").size() == 36);
    CHECK(other.field("X-Request-Id") != made.field("X-Request-Id"));
    CHECK(other.field("traceparent") != made.field("traceparent"));
    const Reply refused = client.ask("garbage\r\n\r\n");
    CHECK(refused.field("X-Request-Id").size() == 36);
    CHECK(refused.field("traceparent").size() == 55);
}

TEST_CASE_FIXTURE(Loopback, "A body over the limit is a 413, however it is announced") {
    options.body_limit = 1000;
    start();
    CHECK(connect().ask(post("/echo", std::string(1000, 'x'))).status == 200);
    for (const std::string& bytes :
         {post("/echo", std::string(1001, 'x')),
          std::string{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
                      "18446744073709551615\r\n\r\n"},
          "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" +
              std::string(1000, 'x') + "\r\n1\r\nx\r\n0\r\n\r\n",
          std::string{"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                      "chunked\r\n\r\nffffffff\r\n"}}) {
        Client client = connect();
        const Reply reply = client.ask(bytes);
        CHECK(reply.status == 413);
        CHECK(reply.field("Content-Type") == "application/problem+json");
        CHECK(reply.field("Connection") == "close");
        CHECK(client.ended());
    }
}

TEST_CASE_FIXTURE(Loopback, "The 413 reaches a client that is still sending") {
    start();
    Client client = connect();
    CHECK(client.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n" +
        std::string(8 * 1024 * 1024, 'x')
    ));
    CHECK(client.receive().status == 413);
}

TEST_CASE_FIXTURE(Loopback, "A body for which there is no room is a 503") {
    options.body_budget = 1500;
    start();
    const Reply refused = connect().ask(post("/echo", std::string(1501, 'x')));
    CHECK(refused.status == 503);
    CHECK(refused.field("Retry-After") == "1");
    CHECK(refused.field("Connection") == "close");
    Client client = connect();
    for (int i = 0; i < 3; ++i) {
        CHECK(client.ask(post("/echo", std::string(1000, 'x'))).status == 200);
    }
    CHECK(client.ask(get("/hello")).status == 200);
    CHECK(metrics.serialize().find("http_body_bytes 0") != std::string::npos);
}

TEST_CASE_FIXTURE(Loopback, "A header block over the limit is a 431") {
    start();
    const std::string field(17 * 1024, 'x');
    CHECK(connect().ask(get("/" + field)).status == 431);
    CHECK(connect().ask(get("/hello", "X: " + field + "\r\n")).status == 431);
    CHECK(
        connect()
            .ask(get("/hello", "X: " + std::string(15 * 1024, 'x') + "\r\n"))
            .status == 200
    );
}

TEST_CASE_FIXTURE(Loopback, "A header that comes line by line is counted as a whole") {
    start();
    Client client = connect();
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n");
    const std::string line = "X-Line: " + std::string(100, 'x') + "\r\n";
    for (int i = 0; i < 1000; ++i) client.send(line);
    CHECK(client.receive().status == 431);
}

TEST_CASE_FIXTURE(Loopback, "A chunk header that never ends is refused") {
    start();
    Client client = connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    client.send(std::string(100 * 1024, 'x'));
    CHECK(client.receive().status >= 400);
}

TEST_CASE_FIXTURE(Loopback, "Garbage is a 400 and the end of its connection alone") {
    start();
    Client bystander = connect();
    for (std::string_view bytes :
         {"garbage\r\n\r\n",
          "GET\r\n\r\n",
          "GET / HTTP/9.9\r\n\r\n",
          "GET /hello HTTP/1.1\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: "
          "2\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: "
          "chunked\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls tls tls tls\r\n\r\n"}) {
        CAPTURE(bytes);
        Client client = connect();
        CHECK(client.ask(bytes).status == 400);
        CHECK(client.ended());
    }
    Client client = connect();
    client.send(get("/hello") + "pipelined garbage\r\n\r\n" + get("/hello"));
    CHECK(client.receive().status == 200);
    CHECK(client.receive().status == 400);
    CHECK(client.ended());
    CHECK(bystander.ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(
    Loopback, "A broken percent escape is a 400, and the connection stays"
) {
    start();
    Client client = connect();
    for (std::string_view path : {"/hello?key=%zz", "/%", "/%00", "/hello?k=%ff", "*"}) {
        CAPTURE(path);
        CHECK(client.ask(get(path)).status == 400);
    }
    CHECK(client.ask(get("http://x/hello")).status == 200);
    CHECK(client.ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(Loopback, "OPTIONS * names the methods of all routes") {
    start();
    Client client = connect();
    const Reply reply = client.ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(reply.status == 204);
    CHECK(reply.field("Allow") == "GET, HEAD, POST, OPTIONS");
    CHECK(
        client.ask("OPTIONS /hello HTTP/1.1\r\nHost: x\r\n\r\n").field("Allow") ==
        "GET, HEAD, OPTIONS"
    );
    CHECK(client.ask("POST * HTTP/1.1\r\nHost: x\r\n\r\n").status == 400);
}

TEST_CASE_FIXTURE(
    Loopback, "A body in a content coding is a 415 that says what is taken"
) {
    start();
    Client client = connect();
    const auto encoded = [&](const std::string& fields, const std::string& body = "{}") {
        return client.ask(
            "POST /echo HTTP/1.1\r\nHost: x\r\n" + fields +
            "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body
        );
    };
    for (const auto* fields :
         {"Content-Encoding: gzip\r\n",
          "Content-Encoding: identity, br\r\n",
          "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"}) {
        CAPTURE(fields);
        const Reply reply = encoded(fields);
        CHECK(reply.status == 415);
        CHECK(reply.field("Accept-Encoding") == "identity");
        CHECK(reply.field("Content-Type") == "application/problem+json");
    }
    CHECK(encoded("Content-Encoding: Identity\r\n").body == "{}");
    CHECK(encoded("Content-Encoding: gzip\r\n", "").status == 200);
}

TEST_CASE_FIXTURE(Loopback, "A chunked body is put together, its trailer ignored") {
    start();
    Client client = connect();
    const Reply reply = client.ask(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Request-Id: trailer\r\n\r\n"
    );
    CHECK(reply.body == "hello world");
    CHECK(reply.field("X-Request-Id") != "trailer");
    CHECK(client.ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(Loopback, "Expect: 100-continue is answered before the body") {
    options.body_limit = 10;
    start();
    Client client = connect();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: "
        "100-continue\r\n\r\n"
    );
    CHECK(client.receive().status == 100);
    CHECK(client.ask("body").body == "body");
    // Too much is refused at once, before it is sent.
    CHECK(
        client
            .ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: "
                 "100-continue\r\n\r\n")
            .status == 413
    );
}

TEST_CASE_FIXTURE(Loopback, "HEAD is answered without a body") {
    start();
    Client client = connect();
    client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n");
    CHECK(client.receive(true).field("Content-Length") == "7");
    CHECK(client.ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(Loopback, "A connection ends when the client asks for it") {
    start();
    Client closing = connect();
    CHECK(closing.ask(get("/hello", "Connection: close\r\n")).has("Connection: close"));
    CHECK(closing.ended());
    Client old = connect();
    CHECK(old.ask("GET /hello HTTP/1.0\r\n\r\n").has("HTTP/1.0 200"));
    CHECK(old.ended());
    Client kept = connect();
    CHECK(kept.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
              .has("Connection: keep-alive"));
    CHECK(kept.ask(get("/hello")).status == 200);
}

TEST_CASE_FIXTURE(Loopback, "A half-closed client gets its answer") {
    start();
    Client client = connect();
    client.send(get("/hello"));
    client.finish_sending();
    CHECK(client.receive().status == 200);
    CHECK(client.ended());
}

TEST_CASE_FIXTURE(Loopback, "A reset at any point hurts nobody and leaves nothing") {
    start();
    Client bystander = connect();
    const std::string bytes = get("/hello") + post("/echo", "body");
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        Client client = connect();
        client.send(bytes.substr(0, cut));
        client.reset();
    }
    CHECK(bystander.ask(get("/hello")).status == 200);
    bystander.reset();
    wait_until_empty();
    CHECK(metrics.serialize().find("http_connections 0\n") != std::string::npos);
    CHECK(metrics.serialize().find("http_requests_in_flight 0\n") != std::string::npos);
}

TEST_CASE_FIXTURE(Loopback, "An exception of a handler is a 500, logged with its words") {
    router.root().get("/throws", {}, [](Request&) -> net::awaitable<Response> {
        throw std::runtime_error("the cause");
        co_return Response{};
    });
    start();
    Client client = connect();
    const Reply reply = client.ask(get("/throws", "X-Request-Id: r-9\r\n"));
    CHECK(reply.status == 500);
    CHECK(reply.body.find("the cause") == std::string::npos);
    CHECK(client.ask(get("/hello")).status == 200);
    stop();
    log.flush();
    const std::string text = log_text.str();
    CHECK(text.find(R"("request_id":"r-9")") != std::string::npos);
    CHECK(text.find(R"("error":"the cause")") != std::string::npos);
}

TEST_CASE_FIXTURE(
    Loopback, "I12: a drain ends resting connections and waits for the busy"
) {
    net::steady_timer gate{io, TimePoint::max()};
    std::promise<void> reached;
    router.root().get("/slow", {}, [&](Request&) -> net::awaitable<Response> {
        reached.set_value();
        boost::system::error_code ec;
        co_await gate.async_wait(net::redirect_error(net::use_awaitable, ec));
        co_return text_response(200, "late");
    });
    start();
    Client resting = connect();
    CHECK(resting.ask(get("/hello")).status == 200);
    Client busy = connect();
    busy.send(get("/slow"));
    reached.get_future().wait();
    auto drained = drain(std::chrono::hours{1});
    CHECK(resting.ended());
    CHECK_THROWS(connect());
    net::post(io, [&] { gate.cancel(); });
    const Reply reply = busy.receive();
    CHECK(reply.body == "late");
    CHECK(reply.has("Connection: close"));
    CHECK(busy.ended());
    CHECK(drained.get());
}

TEST_CASE_FIXTURE(Loopback, "Connections over the limit wait their turn") {
    options.max_connections = 2;
    start();
    std::optional<Client> first{std::in_place, server->port()};
    Client second = connect();
    CHECK(first->ask(get("/hello")).status == 200);
    CHECK(second.ask(get("/hello")).status == 200);
    Client third = connect();
    third.send(get("/hello"));
    CHECK(server->connections() == 2);
    first.reset();
    CHECK(third.receive().status == 200);
    CHECK(
        metrics.serialize().find("http_rejected_total{reason=\"capacity\"}") !=
        std::string::npos
    );
}

TEST_CASE_FIXTURE(Loopback, "Several threads serve several connections") {
    start(3);
    std::vector<std::jthread> clients;
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back([&] {
            Client client = connect();
            for (int n = 0; n < 200; ++n) {
                if (client.ask(post("/echo", std::to_string(n))).body ==
                    std::to_string(n)) {
                    ++good;
                }
            }
        });
    }
    clients.clear();
    CHECK(good == 800);
    CHECK(drain(std::chrono::hours{1}).get());
}

TEST_CASE("A port that is taken is an error that names the address") {
    Loopback first;
    first.start();
    Loopback second;
    second.options.address.port = first.server->port();
    try {
        second.start();
        FAIL("no exception");
    } catch (const std::system_error& e) {
        CHECK(std::string{e.what()}.find("127.0.0.1:") != std::string::npos);
    }
}

}  // namespace
}  // namespace resilience::host
