// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_COMPACTED_TOPIC_HPP
#define RESILIENCE_SRC_KAFKA_COMPACTED_TOPIC_HPP

#include <resilience/asio/result.hpp>

#include "kafka/handles.hpp"
#include "kafka/patience.hpp"

#include <cstdint>
#include <string>

namespace resilience::kafka::detail {

/// A topic that keeps the last record of each key.
struct CompactedTopic {
    /// What one of its records is: `position`, for one.
    std::string record;
    std::string name;
    int partitions = 1;
    /// The one that must have a leader.
    std::int32_t partition = 0;
    /// Replicas, if it is created; -1: as many as the cluster is set to give.
    int replication_factor = -1;
    /// Whether it is created if it is missing.
    bool may_create = true;
};

/** Blocks until the topic is there and keeps its records; creates it if that is allowed.

    @param client Must not let a broker create topics by itself.

    @par Errors
    @li Errc::bad_destination It is missing, has too few partitions, or records could be
        deleted from it. The detail says what to do.
*/
Result<void> prepare_compacted_topic(
    rd_kafka_t& client, const CompactedTopic& topic, const Patience& patience
);

}  // namespace resilience::kafka::detail

#endif
