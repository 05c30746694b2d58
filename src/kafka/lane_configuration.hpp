// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_LANE_CONFIGURATION_HPP
#define RESILIENCE_SRC_KAFKA_LANE_CONFIGURATION_HPP

#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/kafka/topic_reader_options.hpp>

#include "kafka/configuration.hpp"

#include <chrono>
#include <string>

namespace resilience::kafka::detail {

/** Gives the options back as they count: with the position topic's name. Pure.

    @throws std::invalid_argument Names the option that is out of range.
*/
LaneProducerOptions checked_lane_options(
    const ProducerOptions& producer, LaneProducerOptions options
);

/// What a producer with this transactional id is told. Pure.
/// @throws std::invalid_argument Names the option that is out of range.
Settings transactional_settings(
    const ProducerOptions& producer,
    const std::string& id,
    std::chrono::milliseconds timeout
);

/// What both options mean to a transactional producer. Pure.
/// @throws std::invalid_argument Names the option that is out of range.
Settings lane_producer_settings(
    const ProducerOptions& producer, const LaneProducerOptions& options
);

/// Settings of a client that reads partitions. Pure.
Settings reader_settings(const ProducerOptions& producer, Isolation isolation);

/// Settings of a topic of positions or marks when it is created. Pure.
Settings compacted_topic_settings();

}  // namespace resilience::kafka::detail

#endif
