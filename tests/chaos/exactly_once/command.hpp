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

/** Runs `outbox` up to `times` times and kills it each time, at a random moment up to
   when such a run was seen to end.

    @return How often it was killed before it ended by itself.
*/
int run_and_kill(
    const World& world,
    const std::vector<std::string>& arguments,
    std::mt19937& random,
    int times,
    const Environment& more = {}
);

}  // namespace resilience::e2e

#endif
