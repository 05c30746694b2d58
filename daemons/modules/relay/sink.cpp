// SPDX-License-Identifier: MIT
#include <host/app.hpp>
#include <host/log.hpp>
#include <modules/relay/sink.hpp>

#include <resilience/json_lines_sink.hpp>
#include <resilience/kafka/kafka_sink.hpp>

#include <algorithm>
#include <string_view>

namespace resilience::modules::relay {
namespace {

// Severities of syslog: up to 4 somebody should look.
constexpr int warning = 4;

}  // namespace

resilience::kafka::ProducerOptions producer_options(
    host::App& app, const backing::KafkaSettings& kafka
) {
    resilience::kafka::ProducerOptions producer{
        .brokers = kafka.brokers, .delivery_timeout = kafka.delivery_timeout};
    producer.metadata_timeout =
        std::min(producer.metadata_timeout, kafka.delivery_timeout);
    producer.log = [&log = app.log()](int severity, std::string_view line) {
        if (severity <= warning) {
            log.warn("librdkafka", {{"line", line}});
        } else {
            log.debug("librdkafka", {{"line", line}});
        }
    };
    return producer;
}

std::unique_ptr<EventSink> make_sink(
    host::App& app,
    const backing::DatabaseSettings& database,
    const backing::KafkaSettings& kafka
) {
    if (!kafka.use_kafka) {
        app.log().info("events go to a file", {{"path", database.event_file().string()}});
        return std::make_unique<JsonLinesSink>(JsonLinesSinkOptions{
            .path = database.event_file()});
    }
    app.log().info("events go to Kafka", {{"brokers", kafka.brokers}});
    return std::make_unique<resilience::kafka::KafkaSink>(
        app.executor(), producer_options(app, kafka)
    );
}

}  // namespace resilience::modules::relay
