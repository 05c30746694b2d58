// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_POSITION_TOPIC_HPP
#define RESILIENCE_SRC_KAFKA_POSITION_TOPIC_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/lane_producer_options.hpp>

#include "kafka/handles.hpp"
#include "kafka/patience.hpp"

namespace resilience::kafka::detail {

/** Blocks until the position topic is there and fit for positions; creates it if that is
    allowed.

    @param client Must not let a broker create topics by itself.

    @par Errors
    @li Errc::bad_destination It is missing, has too few partitions, or records could be
        deleted from it. The detail says what to do.
*/
Result<void> prepare_position_topic(
    rd_kafka_t& client, const LaneProducerOptions& options, const Patience& patience
);

}  // namespace resilience::kafka::detail

#endif
