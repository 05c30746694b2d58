// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_KAFKA_HPP
#define RESILIENCE_MODULES_BACKING_KAFKA_HPP

#include <chrono>
#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::modules::backing {

/// Where Kafka is (M14). Used as soon as `KAFKA_BROKERS` is set or `--kafka` is given.
struct KafkaSettings {
    bool use_kafka = false;
    std::string brokers = "localhost:9092";
    /// Longest time from handing an event over to its acknowledgement.
    /// Well below the 30 s that a program has to end.
    std::chrono::milliseconds delivery_timeout{10'000};
};

/// Declares `KAFKA_*`, but for the topic, and `--kafka`.
void declare(host::Config& config, KafkaSettings& settings);

}  // namespace resilience::modules::backing

#endif
