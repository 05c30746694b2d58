// SPDX-License-Identifier: MIT
#include <host/part_watch.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

namespace resilience::host {
namespace {

constexpr std::chrono::milliseconds at_once{0};

TEST_CASE(
    "M10: the log tells once that a part is down, in its words, and once that it is up"
) {
    net::io_context io;
    std::ostringstream text;
    Log log{LogLevel::debug, text};
    Health health{{.reuse = at_once}};
    PartWatch watch{io.get_executor(), health, log, at_once};
    const PartHealth down{HealthState::down, "public", "connection refused"};
    const std::vector<PartHealth> findings = {{}, down, down, down, {}, {}};
    std::size_t looks = 0;
    health.add("users", Need::required, [&]() -> net::awaitable<PartHealth> {
        const PartHealth found = findings[looks];
        if (++looks == findings.size()) watch.stop();
        co_return found;
    });
    bool ended = false;
    watch.start([&] { ended = true; });
    CHECK(watch.running());
    io.run();
    CHECK(ended);
    CHECK_FALSE(watch.running());
    CHECK(looks == findings.size());

    log.flush();
    std::istringstream stream{text.str()};
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line.substr(line.find("\"level\"")));
    }
    const std::vector<std::string> expected = {
        R"("level":"warn","msg":"part is down","part":"users","detail":"public",)"
        R"("error":"connection refused"})",
        R"("level":"info","msg":"part is up again","part":"users"})"};
    CHECK(lines == expected);
}

TEST_CASE("A watch that is stopped before its first look ends") {
    net::io_context io;
    Log log{LogLevel::error};
    Health health;
    PartWatch watch{io.get_executor(), health, log, std::chrono::hours{1}};
    watch.start([] {});
    io.run_one();
    watch.stop();
    io.run();
    CHECK_FALSE(watch.running());
}

}  // namespace
}  // namespace resilience::host
