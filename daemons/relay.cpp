// SPDX-License-Identifier: MIT
// Moves events from the outbox to Kafka, or to a file when there is no Kafka.
#include <host/app.hpp>
#include <host/config.hpp>
#include <host/program.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/relay.hpp>

using namespace resilience;

int main(int argc, char** argv) {
    host::Config config{"relay", "Moves events from the outbox to Kafka or a file."};
    host::AppOptions options{.name = "relay", .serve = false};
    host::Address admin{"0.0.0.0", 9103};
    modules::backing::DatabaseSettings database_settings;
    modules::backing::KafkaSettings kafka;
    modules::relay::RelaySettings relay_settings;
    host::declare_process(config, options);
    config.address("METRICS_PORT", admin, "Health and metrics");
    modules::backing::declare(config, database_settings);
    modules::backing::declare(config, kafka);
    modules::relay::declare(config, relay_settings);
    if (const auto code = config.read(argc, argv)) return *code;
    modules::backing::resolve(config, database_settings);
    modules::backing::resolve(config, kafka);
    options.admin = admin;

    host::App app{options};
    modules::backing::Database database{app.executor(), database_settings};
    modules::relay::RelayLoop loop{
        app, database, relay_settings, database_settings, kafka};
    return app.run();
}
