// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_CONSUMER_CONFIGURATION_HPP
#define RESILIENCE_SRC_KAFKA_CONSUMER_CONFIGURATION_HPP

#include <resilience/kafka/consumer_options.hpp>

#include "kafka/configuration.hpp"

namespace resilience::kafka::detail {

/** What the options mean to librdkafka. Pure.

    @throws std::invalid_argument Names the option that is out of range.
*/
Settings consumer_settings(const ConsumerOptions& options);

}  // namespace resilience::kafka::detail

#endif
