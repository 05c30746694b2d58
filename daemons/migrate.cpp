// SPDX-License-Identifier: MIT
// Keeps the schema: migrate up | down | status.
#include <host/config.hpp>
#include <modules/backing/database.hpp>
#include <modules/migrations/command.hpp>

using namespace resilience;

int main(int argc, char** argv) {
    host::Config config{
        "migrate", "Brings the schema of the database up or down, or shows it."};
    modules::backing::DatabaseSettings settings;
    modules::migrations::Waits waits;
    std::string command;
    config.positional("command", command, {"up", "down", "status"}, "What to do");
    modules::backing::declare(config, settings);
    modules::migrations::declare(config, waits);
    if (const auto code = config.read(argc, argv)) return *code;
    return modules::migrations::run_command(command, settings, waits);
}
