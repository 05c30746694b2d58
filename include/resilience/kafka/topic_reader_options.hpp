// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_TOPIC_READER_OPTIONS_HPP
#define RESILIENCE_KAFKA_TOPIC_READER_OPTIONS_HPP

#include <resilience/clock.hpp>
#include <resilience/kafka/record.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace resilience::kafka {

/// Which records a reader sees.
enum class Isolation : std::uint8_t {
    /// All, those of transactions that are open or were aborted included.
    read_uncommitted,
    /// Those of committed transactions, and those of none.
    read_committed
};

/// Settings of a @ref TopicReader.
struct TopicReaderOptions {
    /// What is read, all partitions of each. 1 to 100,000 names, each once.
    std::vector<std::string> topics;

    /// Records of this time or later. None, the default: from the beginning.
    std::optional<WallClock::time_point> since;

    /// Partitions that are read from an offset, whatever @ref since says. One that is
    /// before the first record that is kept stands for that. Not negative. Default none.
    std::map<TopicPartition, std::int64_t> offsets;

    /// Default read_committed.
    Isolation isolation = Isolation::read_committed;

    /// Whether a topic that is not there is left out instead of being an error. Default
    /// false.
    bool skip_missing = false;

    /// Most records of a batch. 1 to 100,000; default 1,000.
    std::size_t batch_records = 1000;

    /// A batch ends with the record that brings its keys, values and headers to this
    /// number of bytes. 1 to 1 GiB; default 4 MiB.
    std::size_t batch_bytes = 4 * 1024 * 1024;

    /// How much is fetched in advance, all partitions together; the last fetch of each
    /// may go beyond. 1 MiB to 1 GiB; default 16 MiB.
    std::size_t buffer_bytes = 16 * 1024 * 1024;

    /// Partitions that are read side by side; the others follow, in order of topics and
    /// numbers. 1 to 1,000; default 64.
    std::size_t side_by_side = 64;

    /// Longest time of an @ref TopicReader::open, which asks for each partition. 100 ms
    /// to 1 h; default 10 min.
    std::chrono::milliseconds open_timeout{600'000};

    /// How long an operation goes on while nothing comes of it, neither a record nor an
    /// offset. 1 ms to 1 h; default 30 s, longer than transactions of a @ref LaneProducer
    /// may be open.
    std::chrono::milliseconds patience{30'000};
};

}  // namespace resilience::kafka

#endif
