// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_RECORD_HPP
#define RESILIENCE_KAFKA_RECORD_HPP

#include <resilience/clock.hpp>
#include <resilience/event.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace resilience::kafka {

/// One partition of a topic.
struct TopicPartition {
    std::string topic;
    std::int32_t partition = 0;

    friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

/// A record as it lies in a topic.
struct Record {
    std::string topic;
    std::int32_t partition = 0;

    /// Its place in the partition. Ascends; not every number has a record.
    std::int64_t offset = 0;

    /// When it was written, by the clock of its producer or of the broker, to the
    /// millisecond. None if the topic keeps no times.
    std::optional<WallClock::time_point> timestamp;

    /// None is not the same as an empty one. The same holds for @ref value.
    std::optional<std::string> key;

    /// None: a tombstone.
    std::optional<std::string> value;

    /// In their order; names may repeat. Bytes as they were sent, which may be no text;
    /// a header without a value has an empty one.
    std::vector<Header> headers;
};

}  // namespace resilience::kafka

#endif
