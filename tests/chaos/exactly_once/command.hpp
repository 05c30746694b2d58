// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_COMMAND_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_COMMAND_HPP

#include <chaos/exactly_once/world.hpp>

#include <random>
#include <string>
#include <vector>

namespace resilience::e2e {

/// How the program `outbox` ended, and what it said.
struct CommandEnd {
    int code = -1;
    std::string text;
};

/// Runs `outbox` to its end with the environment of a world, and variables over it.
CommandEnd run_outbox(
    const World& world,
    const std::vector<std::string>& arguments,
    const Environment& more = {}
);

/// Starts `outbox` as @ref run_outbox does.
Process start_outbox(
    const World& world,
    const std::vector<std::string>& arguments,
    const Environment& more = {}
);

/** Kills runs of `outbox` in the middle.

    Each at a random moment up to when a run of the same command was seen to end. As long
    as none was killed the moments come the earlier the more runs have ended by
    themselves: of several commands one is killed, however fast they are.
*/
class CommandKiller {
public:
    /// @param world Must outlive it.
    CommandKiller(const World& world, unsigned seed) : world_(world), random_(seed) {}

    /// Runs the command up to `times` times, and kills each run that does not end before.
    void run(
        const std::vector<std::string>& arguments, int times, const Environment& more = {}
    );

    int kills() const { return kills_; }

private:
    const World& world_;
    std::mt19937 random_;
    int kills_ = 0;
    int ended_ = 0;
};

}  // namespace resilience::e2e

#endif
