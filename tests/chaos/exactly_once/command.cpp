// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/command.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace resilience::e2e {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience{90'000};

}  // namespace

Process start_outbox(
    const World& world, const std::vector<std::string>& arguments, const Environment& more
) {
    static int count = 0;
    auto environment = world.environment();
    environment["KAFKA_TOPIC"] = world.topic();
    for (const auto& [name, value] : more) environment[name] = value;
    std::vector<std::string> line{OUTBOX};
    line.insert(line.end(), arguments.begin(), arguments.end());
    const auto log = world.folder() / ("outbox-" + std::to_string(++count) + ".log");
    return Process{std::move(line), environment, log};
}

CommandEnd run_outbox(
    const World& world, const std::vector<std::string>& arguments, const Environment& more
) {
    auto process = start_outbox(world, arguments, more);
    const auto code = process.wait(patience);
    if (!code) throw std::runtime_error("outbox does not end:\n" + process.output());
    return {*code, process.output()};
}

void CommandKiller::run(
    const std::vector<std::string>& arguments, int times, const Environment& more
) {
    milliseconds longest{800};
    for (int i = 0; i < times; ++i) {
        const int halvings = kills_ > 0 ? 0 : std::min(2 * ended_, 16);
        const auto range = static_cast<unsigned>(longest.count() >> halvings) + 1;
        const auto began = std::chrono::steady_clock::now();
        auto process = start_outbox(world_, arguments, more);
        if (process.wait(milliseconds{20 + random_() % range})) {
            const auto took = std::chrono::steady_clock::now() - began;
            longest = std::chrono::duration_cast<milliseconds>(took);
            ++ended_;
            continue;
        }
        process.kill();
        ++kills_;
    }
}

}  // namespace resilience::e2e
