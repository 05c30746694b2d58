// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_OUTBOX_COMMAND_HPP
#define RESILIENCE_TESTS_E2E_OUTBOX_COMMAND_HPP

#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace resilience::e2e {

/// How the program `outbox` ended, and what it printed.
struct Ran {
    int code = -1;
    std::string text;

    boost::json::object json() const { return boost::json::parse(text).as_object(); }
    bool says(const std::string& words) const {
        return text.find(words) != std::string::npos;
    }
};

/// Runs the program with the environment of a stack, and variables over it.
inline Ran outbox(
    const Stack& stack, std::vector<std::string> arguments, const Environment& more = {}
) {
    auto environment = stack.environment();
    for (const auto& [name, value] : more) environment[name] = value;
    arguments.insert(arguments.begin(), OUTBOX);
    const auto log = stack.folder() / "outbox.log";
    std::filesystem::remove(log);
    Process process(std::move(arguments), environment, log);
    const auto code = process.wait();
    REQUIRE(code.has_value());
    return {*code, process.output()};
}

/// Whether Kafka knows a topic.
inline bool has_topic(const Stack& stack, const std::string& topic) {
    const auto brokers = stack.environment().at("KAFKA_BROKERS");
    return shell("kcat -L -J -b '" + brokers + "'").find('"' + topic + '"') !=
           std::string::npos;
}

/// Sends a record that no lane wrote; `headers` as `-H name=value`.
inline void send(
    const Stack& stack, const std::string& topic, const std::string& headers
) {
    (void)shell(
        "printf x | kcat -P -b '" + stack.environment().at("KAFKA_BROKERS") + "' -t '" +
        topic + "' -p 0 " + headers
    );
}

}  // namespace resilience::e2e

#endif
