// SPDX-License-Identifier: MIT
#include <host/config.hpp>
#include <modules/backing/run.hpp>
#include <modules/migrations/command.hpp>
#include <modules/migrations/schema.hpp>

#include <resilience/sqlite/database.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace resilience::modules::migrations {
namespace {

std::string label(const Migration& migration) {
    return std::to_string(migration.version) + " " + std::string(migration.name);
}

net::awaitable<Result<void>> show(Schema& schema) {
    const auto applied = co_await schema.applied();
    if (!applied) co_return applied.error();
    for (const auto& migration : schema.known()) {
        const auto row =
            std::ranges::find(*applied, migration.version, &Applied::version);
        const bool missing = row == applied->end();
        const char* state = missing ? "pending"
                            : row->checksum != migration.checksum
                                ? "CHANGED AFTER IT WAS APPLIED"
                                : "applied";
        std::printf(
            "%-32s %s %s\n",
            label(migration).c_str(),
            state,
            missing ? "" : row->applied_at.c_str()
        );
    }
    for (const auto& row : *applied) {
        if (std::ranges::find(schema.known(), row.version, &Migration::version) ==
            schema.known().end()) {
            std::printf(
                "%d %s applied by a newer program\n", row.version, row.name.c_str()
            );
        }
    }
    co_return Result<void>{};
}

net::awaitable<Result<void>> perform(
    std::string command, backing::Database& database, Waits waits
) {
    if (auto opened = co_await database.open_file(); !opened) co_return opened.error();
    auto schema = database.postgres() ? schema_of(*database.postgres(), waits)
                                      : schema_of(*database.sqlite());
    if (command == "status") co_return co_await show(*schema);
    const bool up = command == "up";
    const auto progress = [up](const Migration& migration) {
        std::printf("%s %s\n", up ? "applied" : "took back", label(migration).c_str());
    };
    auto work = up ? schema->up(progress) : schema->down(progress);
    const auto done = co_await std::move(work);
    if (!done) {
        auto failure = done.error();
        if (failure == Errc::timed_out) {
            failure.detail += "; see MIGRATE_LOCK_TIMEOUT and MIGRATE_STATEMENT_TIMEOUT";
        } else if (failure == Errc::serialization_conflict) {
            failure.detail += "; a table was in use for MIGRATE_LOCK_TIMEOUT";
        }
        co_return failure;
    }
    if (*done == 0) std::printf("%s\n", up ? "nothing to apply" : "nothing to take back");
    co_return Result<void>{};
}

}  // namespace

void declare(host::Config& config, Waits& waits) {
    using namespace std::chrono_literals;
    config.duration(
        "MIGRATE_LOCK_TIMEOUT",
        waits.lock,
        1s,
        1ms,
        24h,
        "Longest wait for another runner, or for a table that is in use"
    );
    config.duration(
        "MIGRATE_STATEMENT_TIMEOUT",
        waits.statement,
        1s,
        1ms,
        24h,
        "Longest time of one statement of a migration"
    );
}

int run_command(
    const std::string& command, backing::DatabaseSettings settings, Waits waits
) {
    // A look waits for nobody.
    if (command != "status") settings.schema_waits = waits;
    return backing::run_to_end("migrate", settings, [&](backing::Database& database) {
        return perform(command, database, waits);
    });
}

}  // namespace resilience::modules::migrations
