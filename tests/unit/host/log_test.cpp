// SPDX-License-Identifier: MIT
#include <host/log.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <sstream>
#include <string>

namespace resilience::host {
namespace {

std::string line(std::string_view message, LogContext context, LogFields fields) {
    std::string out;
    const WallClock::time_point time{
        std::chrono::sys_days{std::chrono::year{2026} / 3 / 4} + std::chrono::hours{5} +
        std::chrono::milliseconds{67}};
    write_log_line(out, time, LogLevel::info, message, context, fields);
    return out;
}

TEST_CASE("A log line has its documented form") {
    CHECK(
        line(
            "user created",
            {"r-1", "4bf92f3577b34da6a3ce929d0e0e4736"},
            {{"n", 7},
             {"ok", true},
             {"ratio", 0.5},
             {"big", 18446744073709551615U},
             {"s", "x"}}
        ) ==
        "{\"timestamp\":\"2026-03-04T05:00:00.067Z\",\"level\":\"info\","
        "\"msg\":\"user created\",\"request_id\":\"r-1\","
        "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"n\":7,\"ok\":true,\"ratio\":0.5,\"big\":18446744073709551615,\"s\":\"x\"}\n"
    );
}

TEST_CASE("A log line is one line of valid JSON whatever it holds") {
    std::string every;
    for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
    const double infinite = std::numeric_limits<double>::infinity();
    const std::string text =
        line(every, {every, every}, {{every, every}, {"infinite", infinite}});
    CHECK(text.find('\n') == text.size() - 1);
    const auto value = boost::json::parse(text);
    CHECK(value.at("infinite").is_null());
    CHECK(value.at("msg").as_string().find("\xef\xbf\xbd") != std::string::npos);
    CHECK(
        line("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", {}, {}).find("\xf0\x9f\x98\x80") !=
        std::string::npos
    );
}

TEST_CASE("LOG_LEVEL keeps lesser lines out, and warnings are written at once") {
    std::ostringstream stream;
    Log log{LogLevel::info, stream};
    log.debug("hidden");
    log.info("kept", {{"mode", "claim"}, {"batch", 100}});
    CHECK(stream.str().empty());
    log.warn("shown");
    CHECK(stream.str().find("hidden") == std::string::npos);
    CHECK(
        stream.str().find(R"("msg":"kept","mode":"claim","batch":100})") !=
        std::string::npos
    );
    CHECK(stream.str().find(R"("level":"warn","msg":"shown")") != std::string::npos);
    log.info("last");
    log.flush();
    CHECK(stream.str().find("last") != std::string::npos);
}

TEST_CASE("Collected lines are bounded") {
    std::ostringstream stream;
    Log log{LogLevel::info, stream};
    for (int i = 0; i < 2000; ++i) log.info(std::string(100, 'x'));
    CHECK(stream.str().size() > 200'000);
}

}  // namespace
}  // namespace resilience::host
