// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_SINK_HPP
#define RESILIENCE_MODULES_RELAY_SINK_HPP

#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>

#include <resilience/kafka/producer_options.hpp>
#include <resilience/relay.hpp>

#include <memory>

namespace resilience::host {
class App;
}

namespace resilience::modules::relay {

/// How the program speaks with Kafka; the client's warnings go to the program's log.
resilience::kafka::ProducerOptions producer_options(
    host::App& app, const backing::KafkaSettings& kafka
);

/// Kafka when it is set, else the event file in `DATA_DIR`; the start's log line says
/// which.
std::unique_ptr<EventSink> make_sink(
    host::App& app,
    const backing::DatabaseSettings& database,
    const backing::KafkaSettings& kafka
);

}  // namespace resilience::modules::relay

#endif
