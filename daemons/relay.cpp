// SPDX-License-Identifier: MIT
// Moves events from the outbox to Kafka, or to a file when there is no Kafka (M12, O7).
#include <host/app.hpp>
#include <host/program.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/events.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/mount.hpp>

using namespace resilience;
using namespace resilience::modules;

int main(int argc, char** argv) {
    host::Config config{"relay", "Moves events from the outbox to Kafka or a file."};
    host::AppOptions options{
        .name = "relay", .admin = host::Address{"0.0.0.0", 9103}, .serve = false};
    backing::DatabaseSettings database_settings;
    backing::KafkaSettings kafka;
    relay::RelaySettings settings;
    declare(config, options);
    declare(config, database_settings);
    declare(config, kafka);
    backing::leave_to_writers(config);
    declare(config, settings);
    if (const auto code = config.read(argc, argv)) return *code;
    return host::run_program("relay", [&] {
        settle_mode(settings, database_settings, kafka);
        host::App app{options};
        for (const auto& note : config.notes()) app.log().warn(note);
        backing::Database database{app.executor(), database_settings};
        const auto loop = relay::mount(app, database, settings, database_settings, kafka);
        return app.run();
    });
}
