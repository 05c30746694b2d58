// SPDX-License-Identifier: MIT
#include <resilience/kafka/producer.hpp>

#include <src/kafka/client_log.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;

TEST_CASE("the warning about the setting that the order of keys rests on is for debugging"
) {
    std::vector<std::pair<int, std::string>> lines;
    kafka::detail::ClientLog log([&lines](int severity, std::string_view line) {
        lines.emplace_back(severity, line);
    });
    const auto now = Clock::now();
    const std::string expected =
        "[thrd:app]: Configuration property enable.gapless.guarantee is experimental";
    log.write(4, expected, now);
    CHECK(lines.back() == std::pair{7, expected});
    CHECK(log.trouble_since(now).empty());

    // Whatever else is said of it, or is experimental, is still a warning.
    for (const std::string line :
         {"enable.gapless.guarantee: not supported", "partitioner is experimental"}) {
        log.write(4, line, now);
        CHECK(lines.back() == std::pair{4, line});
        CHECK(log.trouble_since(now) == line);
    }
}

TEST_CASE("O8: that brokers are down does not hide why they are") {
    kafka::detail::ClientLog log{{}};
    const auto now = Clock::now();
    log.write(3, "Connect to ipv4#127.0.0.1:1 failed: Connection refused", now);
    log.write(3, "1/1 brokers are down", now);
    CHECK(log.trouble_since(now).find("refused") != std::string::npos);
}

TEST_CASE(
    "O8: lines come from a thread of the client's own, without a call of the program"
) {
    std::promise<std::string> first;
    std::once_flag told;
    kafka::ProducerOptions options{.brokers = "localhost:1"};
    options.log = [&, here = std::this_thread::get_id()](int, std::string_view line) {
        if (std::this_thread::get_id() == here) return;
        std::call_once(told, [&] { first.set_value(std::string{line}); });
    };
    auto line = first.get_future();
    net::io_context io;
    const kafka::Producer producer{io.get_executor(), std::move(options)};
    REQUIRE(line.wait_for(std::chrono::seconds{30}) == std::future_status::ready);
    CHECK(line.get().find("localhost:1") != std::string::npos);
}
