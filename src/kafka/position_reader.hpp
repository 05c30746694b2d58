// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_POSITION_READER_HPP
#define RESILIENCE_SRC_KAFKA_POSITION_READER_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/kafka/topic_reader_options.hpp>
#include <resilience/lane_position.hpp>

#include "kafka/client.hpp"
#include "kafka/patience.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace resilience::kafka::detail {

/** Reads where a lane is (I1). Each call blocks.

    Two clients: one that sees the end of the partition whatever transactions are open,
    and one that sees committed records alone and must read up to that end. Where a
    transaction is open it waits: what was committed behind it is not shown before.
*/
class PositionReader {
public:
    /// REQUIRES: the options were checked.
    PositionReader(const ProducerOptions& producer, const LaneProducerOptions& options);

    /// Makes sure that the topic is there; see @ref prepare_compacted_topic.
    Result<void> prepare(const Patience& patience);

    /** Whether the topic is there; creates nothing.

        @par Errors
        @li Errc::bad_destination It has no partition for the lane.
    */
    Result<bool> exists(const Patience& patience);

    /** The last position committed; none when there never was one.

        Only what was committed before the call is sure to be seen: the lane is to be
        fenced first (I7).

        @par Errors
        @li Errc::corrupt_data The last record is not a position (I11).
    */
    Result<std::optional<LanePosition>> last(const Patience& patience);

private:
    struct Record {
        std::int64_t offset = 0;
        // None: a tombstone.
        std::optional<std::string> value;
    };

    Result<std::optional<Record>> find_last(
        std::int64_t from, std::int64_t end, const Patience& patience
    );
    Result<LanePosition> decode(const Record& record) const;

    LaneProducerOptions options_;
    std::string key_;
    TopicPartition partition_;
    ClientLog log_;
    ClientHandle uncommitted_;
    ClientHandle committed_;
};

}  // namespace resilience::kafka::detail

#endif
