// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_CONFIGURATION_HPP
#define RESILIENCE_SRC_KAFKA_CONFIGURATION_HPP

#include <resilience/kafka/producer_options.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::kafka::detail {

/// Settings of librdkafka, names and values, in the order they are to be set.
using Settings = std::vector<std::pair<std::string, std::string>>;

/** What `options` mean to librdkafka. Pure.

    @throws std::invalid_argument Names the option that is out of range.
*/
Settings producer_settings(const ProducerOptions& options);

/// The part of it that a client of any kind needs to reach the cluster. REQUIRES: the
/// options were accepted by @ref producer_settings.
Settings connection_settings(const ProducerOptions& options);

}  // namespace resilience::kafka::detail

#endif
