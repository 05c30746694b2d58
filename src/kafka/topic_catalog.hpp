// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TOPIC_CATALOG_HPP
#define RESILIENCE_SRC_KAFKA_TOPIC_CATALOG_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/kafka/topic_reader_options.hpp>

#include "kafka/handles.hpp"
#include "kafka/patience.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace resilience::kafka::detail {

/// The pause before a question is asked again.
inline constexpr std::chrono::milliseconds question_pause{50};
/// How often a topic that is missing is asked for: one that somebody has just made takes
/// a moment to be known.
inline constexpr int tries_until_missing = 5;

/** How many partitions a topic has. Blocks, and creates nothing: the client must have
    been made with `reader_settings`.

    @param tries How often it is asked for until it is missing.

    @par Errors
    @li Errc::bad_destination There is no such topic.
    @li Errc::access_denied
    @li Those of @ref Patience.
*/
Result<std::int32_t> partition_count(
    rd_kafka_t& client,
    const std::string& topic,
    const Patience& patience,
    int tries = tries_until_missing
);

/// The first offset of each partition whose record is of `time` or later, in the order
/// asked for; -1 where there is none. Blocks.
Result<std::vector<std::int64_t>> offsets_since(
    rd_kafka_t& client,
    const std::vector<TopicPartition>& partitions,
    WallClock::time_point time,
    const Patience& patience
);

}  // namespace resilience::kafka::detail

#endif
