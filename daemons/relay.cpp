// SPDX-License-Identifier: MIT
// Moves events from the outbox to Kafka, or to a file when there is no Kafka (M12, O7).
#include <host/app.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/relay.hpp>

#include <exception>
#include <iostream>

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
    declare(config, settings);
    if (const auto code = config.read(argc, argv)) return *code;
    resolve(config, database_settings);
    resolve(config, kafka);
    try {
        host::App app{options};
        backing::Database database{app.executor(), database_settings};
        relay::RelayLoop loop{app, database, settings, database_settings, kafka};
        return app.run();
    } catch (const std::exception& error) {
        std::cerr << "relay: " << error.what() << '\n';
        return 1;
    }
}
