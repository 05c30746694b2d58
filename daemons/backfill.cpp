// SPDX-License-Identifier: MIT
// Writes past events to the outbox again: backfill -aggregate-type=user [-topic=...]
// [-dry-run].
#include <host/config.hpp>
#include <modules/backfill/command.hpp>
#include <modules/backing/database.hpp>

using namespace resilience;

int main(int argc, char** argv) {
    host::Config config{
        "backfill", "Writes past events to the outbox again, with new ids."};
    modules::backing::DatabaseSettings settings;
    modules::backfill::Request request;
    modules::backing::declare(config, settings);
    modules::backfill::declare(config, request);
    if (const auto code = config.read(argc, argv)) return *code;
    return modules::backfill::run_command(request, settings, OutboxOptions{});
}
