// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/command.hpp>

#include <chrono>
#include <stdexcept>

namespace resilience::e2e {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience{90'000};

Process start(
    const World& world, std::vector<std::string> arguments, const Environment& more
) {
    static int count = 0;
    auto environment = world.environment();
    environment["KAFKA_TOPIC"] = world.topic();
    for (const auto& [name, value] : more) environment[name] = value;
    arguments.insert(arguments.begin(), OUTBOX);
    const auto log = world.folder() / ("outbox-" + std::to_string(++count) + ".log");
    return Process{std::move(arguments), environment, log};
}

}  // namespace

CommandEnd run_outbox(
    const World& world, const std::vector<std::string>& arguments, const Environment& more
) {
    auto process = start(world, arguments, more);
    const auto code = process.wait(patience);
    if (!code) throw std::runtime_error("outbox does not end:\n" + process.output());
    return {*code, process.output()};
}

int run_and_kill(
    const World& world,
    const std::vector<std::string>& arguments,
    std::mt19937& random,
    int times,
    const Environment& more
) {
    int kills = 0;
    milliseconds longest{800};
    for (int i = 0; i < times; ++i) {
        const auto range = static_cast<unsigned>(longest.count());
        const auto began = std::chrono::steady_clock::now();
        auto process = start(world, arguments, more);
        if (process.wait(milliseconds{20 + random() % range})) {
            const auto took = std::chrono::steady_clock::now() - began;
            longest = std::chrono::duration_cast<milliseconds>(took);
            continue;
        }
        process.kill();
        ++kills;
    }
    return kills;
}

}  // namespace resilience::e2e
