// SPDX-License-Identifier: MIT
#include "loopback.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

namespace resilience::host {
namespace {

// A member of the first log line about a path.
std::string logged(const std::string& log, std::string_view path, std::string_view name) {
    const auto at = log.find("\"path\":\"" + std::string{path} + '"');
    if (at == std::string::npos) return "no line";
    const auto begin = log.rfind('\n', at) + 1;
    const auto line = log.substr(begin, log.find('\n', at) - begin);
    const auto member = '"' + std::string{name} + "\":\"";
    const auto value = line.find(member);
    if (value == std::string::npos) return "no member";
    return line.substr(
        value + member.size(),
        line.find('"', value + member.size()) - value - member.size()
    );
}

// The lines about requests, from the method to the status.
std::vector<std::string> requests(const std::string& log) {
    std::vector<std::string> found;
    std::istringstream stream{log};
    for (std::string line; std::getline(stream, line);) {
        const auto from = line.find("\"method\"");
        const auto to = line.find(",\"duration_ms\"");
        if (to != std::string::npos) found.push_back(line.substr(from, to - from));
    }
    return found;
}

TEST_CASE_FIXTURE(Loopback, "A 503 that somebody has to cure is logged as an error") {
    const auto add = [this](const char* path, bool needs_operator) {
        router.root().get(path, {}, [=](Request&) -> net::awaitable<Response> {
            Problem problem = unavailable("gone");
            problem.cause = "what to do";
            problem.needs_operator = needs_operator;
            co_return problem;
        });
    };
    add("/waits", false);
    add("/broken", true);
    start();
    Client client = connect();
    CHECK(client.ask(get("/waits")).status == 503);
    CHECK(client.ask(get("/broken")).status == 503);
    // Answered when the line about the request before is written.
    CHECK(client.ask(get("/hello")).status == 200);
    stop();
    log.flush();
    CHECK(logged(log_text.str(), "/waits", "level") == "warn");
    CHECK(logged(log_text.str(), "/broken", "level") == "error");
}

TEST_CASE_FIXTURE(Loopback, "A probe that finds a part down is no warning by itself") {
    router.root().get(
        "/ready",
        {.quiet = true},
        [](Request&) -> net::awaitable<Response> { co_return json_text(503, "{}"); }
    );
    router.root().get(
        "/quiet",
        {.quiet = true},
        [](Request&) -> net::awaitable<Response> { co_return unavailable("gone"); }
    );
    start();
    Client client = connect();
    CHECK(client.ask(get("/ready")).status == 503);
    CHECK(client.ask(get("/quiet")).status == 503);
    CHECK(client.ask(get("/hello")).status == 200);
    stop();
    log.flush();
    CHECK(logged(log_text.str(), "/ready", "level") == "debug");
    CHECK(logged(log_text.str(), "/quiet", "level") == "warn");
}

TEST_CASE_FIXTURE(
    Loopback, "What is known of a request that the parser refused is in its line"
) {
    options.body_limit = 10;
    start();
    const std::string big(20'000, 'x');
    const std::string host = " HTTP/1.1\r\nHost: x\r\n";
    const std::vector<std::string> refused{
        "PUT /malformed?secret=1" + host + "Bad Name: 1\r\n\r\n",
        "PUT /version HTTP/9.9\r\n\r\n",
        "PUT /header" + host + "X: " + big + "\r\n\r\n",
        "PUT /body" + host + "Content-Length: 11\r\n\r\n12345678901",
        "PUT /no-host HTTP/1.1\r\n\r\n",
        "HEAD /" + big + host + "\r\n",
        "\x16\x03\x01 tls\r\n\r\n"};
    for (const std::string& bytes : refused) {
        Client client = connect();
        client.send(bytes);
        CHECK(client.receive(true).status >= 400);
    }
    wait_until_empty();
    stop();
    log.flush();
    const std::vector<std::string> expected = {
        R"("method":"PUT","path":"/malformed","route":"_OTHER","status":400)",
        R"("method":"PUT","path":"/version","route":"_OTHER","status":400)",
        R"("method":"PUT","path":"/header","route":"_OTHER","status":431)",
        R"("method":"PUT","path":"/body","route":"_OTHER","status":413)",
        R"("method":"PUT","path":"/no-host","route":"_OTHER","status":400)",
        R"("method":"HEAD","path":"/)" + big.substr(0, 255) +
            R"(","route":"_OTHER","status":431)",
        R"("method":"_OTHER","path":"","route":"_OTHER","status":400)"};
    CHECK(requests(log_text.str()) == expected);
}

}  // namespace
}  // namespace resilience::host
