// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_MESSAGE_HPP
#define RESILIENCE_KAFKA_MESSAGE_HPP

#include <resilience/clock.hpp>
#include <resilience/event.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace resilience::kafka {

/// What a @ref Producer sends.
struct Message {
    /// Where it goes. 1 to 249 letters, digits, `.`, `_`, `-`.
    std::string topic;

    /// Messages of one key go to one partition and stay in order. None: any partition.
    std::optional<std::string> key;

    /// The content. None: a tombstone, which deletes the key in a compacted topic.
    std::optional<std::string> value;

    /// Sent along, in this order; names may repeat.
    std::vector<Header> headers;

    /// The partition. Unset: chosen by the murmur2 hash of the key, as Java does.
    std::optional<std::int32_t> partition;

    /// Dates the message, and so decides when the topic's retention removes it. Unset:
    /// the moment it is sent.
    std::optional<WallClock::time_point> timestamp;
};

/// Where Kafka keeps a message that was delivered.
struct DeliveryReport {
    std::int32_t partition = -1;
    std::int64_t offset = -1;
};

/// What the cluster says of a topic.
struct TopicMetadata {
    /// Number of partitions; at least 1.
    std::int32_t partitions = 0;
};

}  // namespace resilience::kafka

#endif
